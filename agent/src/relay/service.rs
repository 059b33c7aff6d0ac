//! The gRPC service on the agent's socket.
//!
//! In: Envoy's streams. Out: the messages that [`super::stream`] has for them.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService},
};

use super::{
    Relay,
    raw::{MAX_MESSAGE, Raw},
    stream,
};

/// Responses that wait for Envoy's socket. There is one of a type at a time.
const WAITING: usize = 4;

type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The service.
#[derive(Clone)]
pub(super) struct Discovery {
    pub(super) relay: Relay,
    pub(super) end: CancellationToken,
}

impl NamedService for Discovery {
    const NAME: &'static str = "envoy.service.discovery.v3.AggregatedDiscoveryService";
}

impl tower::Service<http::Request<Body>> for Discovery {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let discovery = self.clone();
        Box::pin(async move {
            if !request.uri().path().ends_with("/DeltaAggregatedResources") {
                return Ok(Status::unimplemented("the agent relays delta streams only").into_http());
            }
            let mut grpc = Grpc::new(Raw).max_decoding_message_size(MAX_MESSAGE);
            Ok(grpc.streaming(discovery, request).await)
        })
    }
}

impl StreamingService<Bytes> for Discovery {
    type Response = Bytes;
    type ResponseStream = ReceiverStream<Result<Bytes, Status>>;
    type Future = Answering<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let Self { relay, end } = self.clone();
        let (responses, receiver) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            let envoy = stream::Envoy { requests: request.into_inner(), responses: responses.clone() };
            let ended = tokio::select! {
                ended = stream::run(relay, envoy) => ended,
                () = end.cancelled() => Err(Status::unavailable("the agent ends")),
            };
            if let Err(status) = ended {
                // Envoy may have gone.
                let _ = responses.send(Err(status)).await;
            }
        });
        Box::pin(async move { Ok(Response::new(ReceiverStream::new(receiver))) })
    }
}
