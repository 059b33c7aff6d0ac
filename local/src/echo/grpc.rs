//! In: a gRPC call of any method. Out: its own messages, byte for byte, and the status that it asked for; of a health check, that it serves.
//! Messages are not decoded: what goes in comes out, for unary calls and streams alike.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;

use super::{Replica, control::STATUS_HEADER, http::Body};

const UNAVAILABLE: u8 = 14;
/// What probes ask, and what they want to hear: a message of two bytes, `status: SERVING`.
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SERVING: &[u8] = &[0, 0, 0, 0, 2, 8, 1];

pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let value = value.as_bytes();
        value == b"application/grpc" || value.starts_with(b"application/grpc+")
    })
}

pub(super) fn answer(request: Request<Incoming>, replica: &Replica) -> Response<Body> {
    let asked =
        request.headers().get(STATUS_HEADER).and_then(|value| value.to_str().ok()?.parse::<u8>().ok());
    let status = if replica.failing() { UNAVAILABLE } else { asked.unwrap_or(0) };
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from(u16::from(status)));
    if status != 0 {
        trailers.insert("grpc-message", HeaderValue::from_static("as the echo workload was told"));
        // No message came before the end: gRPC then puts the trailers in the headers' place.
        let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
        *response.headers_mut() = trailers;
        return typed(response);
    }
    if request.uri().path() == HEALTH {
        let serving = Full::new(Bytes::from_static(SERVING)).map_err(|never| match never {});
        let answer = serving.with_trailers(async move { Some(Ok(trailers)) });
        return typed(Response::new(answer.boxed_unsync()));
    }
    let messages = request.into_body().with_trailers(async move { Some(Ok(trailers)) });
    typed(Response::new(messages.boxed_unsync()))
}

fn typed(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}
