//! The control plane's half of a stream.
//!
//! In: the token and the certificate as they are now. Out: a stream on a connection of its own, so that each proves anew who the proxy is.

use std::{sync::atomic::Ordering, time::SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Status, Streaming, client::Grpc, transport::Channel};

use super::{
    Inner,
    raw::{MAX_MESSAGE, Raw},
};
use crate::{
    EnrolError,
    authority::{bearer, cluster_id},
    connect,
};

const PATH: &str = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// Requests that wait for the socket.
const WAITING: usize = 64;

/// An open stream.
pub(super) struct Upstream {
    /// To the control plane.
    pub(super) requests: mpsc::Sender<Bytes>,
    state: State,
}

enum State {
    /// The control plane answers the call with its first response, and not before.
    Called(futures::future::BoxFuture<'static, Result<Streaming<Bytes>, Status>>),
    Open(Box<Streaming<Bytes>>),
}

impl Upstream {
    /// The next response; `None` when the control plane has ended the stream in good order. May be dropped and called again.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        if let State::Called(call) = &mut self.state {
            self.state = State::Open(Box::new(call.await?));
        }
        match &mut self.state {
            State::Open(responses) => responses.message().await,
            State::Called(_) => Ok(None),
        }
    }
}

/// Connects, with the certificate if there is one that is valid and was not refused before.
pub(super) async fn connect(relay: &Inner) -> Result<Channel, EnrolError> {
    let held = relay.identity.borrow().clone();
    let trusted = connect::roots(&relay.discovery.roots, held.as_ref()).await?;
    let valid = held.filter(|held| held.credential.facts().is_valid(SystemTime::now()));
    let credential = valid.as_ref().filter(|_| !relay.by_token.load(Ordering::Relaxed));
    let discovery = &relay.discovery;
    let credential = credential.map(|held| &held.credential);
    let revoked = &discovery.revoked;
    connect::connect(&discovery.address, &discovery.server_name, &trusted, revoked, credential).await
}

/// Opens a stream.
pub(super) async fn open(relay: &Inner) -> Result<Upstream, EnrolError> {
    let channel = connect(relay).await?;
    let (requests, receiver) = mpsc::channel(WAITING);
    let mut request = Request::new(ReceiverStream::new(receiver));
    let metadata = request.metadata_mut();
    metadata.insert("clusterid", cluster_id(&relay.discovery.cluster)?);
    match connect::token(&relay.discovery.token).await {
        Ok(token) => {
            metadata.insert("authorization", bearer(&token).map_err(|_| EnrolError::Token)?);
        }
        // Then the certificate must do.
        Err(error) => tracing::debug!(%error, "no token is sent"),
    }
    let call = async move {
        let mut grpc = Grpc::new(channel).max_decoding_message_size(MAX_MESSAGE);
        grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let path = http::uri::PathAndQuery::from_static(PATH);
        Ok(grpc.streaming(request, path, Raw).await?.into_inner())
    };
    Ok(Upstream { requests, state: State::Called(Box::pin(call)) })
}
