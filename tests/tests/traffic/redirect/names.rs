//! A resolver: every name leads to the same address, which may change.

use anyhow::Result;
use hickory_proto::{
    op::{Message, Metadata},
    rr::{RData, Record, RecordType},
};
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::UdpSocket;

/// Where names lead.
#[derive(Clone)]
pub(super) struct Names(Arc<Mutex<IpAddr>>);

impl Names {
    /// Answers on UDP port 53 for as long as the runtime lives.
    pub(super) async fn serve(at: IpAddr, leading_to: IpAddr) -> Result<Self> {
        let socket = UdpSocket::bind((at, 53)).await?;
        let names = Self(Arc::new(Mutex::new(leading_to)));
        let answering = names.clone();
        tokio::spawn(async move {
            let mut packet = [0; 4096];
            while let Ok((length, from)) = socket.recv_from(&mut packet).await {
                // Whoever is not understood asks again.
                if let Ok(reply) = answering.reply(&packet[..length]) {
                    let _ = socket.send_to(&reply, from).await;
                }
            }
        });
        Ok(names)
    }

    /// From now on names lead there.
    pub(super) fn lead_to(&self, address: IpAddr) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn reply(&self, query: &[u8]) -> Result<Vec<u8>> {
        let query = Message::from_vec(query)?;
        let mut reply = Message::response(query.metadata.id, query.metadata.op_code);
        reply.metadata = Metadata::response_from_request(&query.metadata);
        reply.queries = query.queries;
        let address = RData::from(*self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(asked) = reply.queries.first()
            && asked.query_type == RecordType::A
        {
            // How long it holds is for who asks to say.
            let answer = Record::from_rdata(asked.name.clone(), 0, address);
            reply.add_answer(answer);
        }
        Ok(reply.to_vec()?)
    }
}
