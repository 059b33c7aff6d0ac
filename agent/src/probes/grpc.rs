//! Probes by gRPC's health protocol.
//!
//! In: where, which service, and the kubelet's headers. Out: nothing, if it says that it serves.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use http::{HeaderMap, Uri, header::USER_AGENT, uri::PathAndQuery};
use hyper_util::rt::TokioIo;
use tonic::{Code, Request, client::Grpc, transport::Endpoint};
use tonic_prost::ProstCodec;

use crate::exchange::connect;

/// `grpc.health.v1.HealthCheckRequest`
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `HealthCheckResponse.SERVING`
const SERVING: i32 = 1;

/// An answer is one number.
const LARGEST_ANSWER: usize = 4096;

pub(super) async fn check(
    address: SocketAddr,
    from: Option<IpAddr>,
    service: &str,
    headers: &HeaderMap,
) -> Result<(), String> {
    // The URI is never resolved: it is where the request's authority comes from.
    let mut endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|error| error.to_string())?;
    if let Some(agent) = headers.get(USER_AGENT).and_then(|agent| agent.to_str().ok()) {
        endpoint = endpoint.user_agent(agent).map_err(|error| error.to_string())?;
    }
    let dial = tower::service_fn(move |_: Uri| async move {
        let stream = connect(address, from).await.map_err(io::Error::other)?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    });
    let channel = endpoint.connect_with_connector(dial).await.map_err(|error| error.to_string())?;
    let mut client = Grpc::new(channel).max_decoding_message_size(LARGEST_ANSWER);
    client.ready().await.map_err(|error| error.to_string())?;
    let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let request = Request::new(HealthCheckRequest { service: service.to_owned() });
    let answer = client.unary(request, path, codec).await.map_err(|status| match status.code() {
        Code::Unimplemented => "it does not speak grpc.health.v1.Health".to_owned(),
        code => format!("{} ({code:?})", status.message()),
    })?;
    match answer.into_inner().status {
        SERVING => Ok(()),
        other => Err(format!("its health is {other}, not SERVING ({SERVING})")),
    }
}
