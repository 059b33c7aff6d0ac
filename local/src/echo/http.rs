//! In: an HTTP request. Out: JSON that says who answers and what arrived, or what the request asked for instead.

use std::{collections::BTreeMap, convert::Infallible};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};

use super::{Replica, control::parse_control, grpc};

pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A request as it arrived at the application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its method.
    pub method: String,
    /// Its path and query.
    pub path: String,
    /// `Host` or `:authority`.
    pub host: String,
    /// Its headers; values of equal names are joined by `, `.
    pub headers: BTreeMap<String, String>,
    /// How many bytes its body had.
    pub body_bytes: usize,
}

pub(super) async fn answer(
    request: Request<Incoming>,
    port: u16,
    replica: &Replica,
) -> Result<Response<Body>, hyper::Error> {
    replica.count();
    if grpc::is_grpc(request.headers()) {
        return Ok(grpc::answer(request, replica));
    }
    let (head, mut body) = request.into_parts();
    let control = match parse_control(head.uri.query(), &head.headers) {
        Ok(control) => control,
        Err(message) => return Ok(plain(StatusCode::BAD_REQUEST, message + "\n")),
    };
    let mut body_bytes = 0;
    while let Some(frame) = body.frame().await {
        body_bytes += frame?.data_ref().map_or(0, Bytes::len);
    }
    tokio::time::sleep(control.delay).await;

    let mut answer =
        replica.answer(port, if head.version == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" });
    let host = head.uri.authority().map(|authority| authority.to_string());
    answer.request = Some(Seen {
        method: head.method.to_string(),
        path: head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        host: host.or_else(|| text(&head.headers, header::HOST.as_str())).unwrap_or_default(),
        headers: readable(&head.headers),
        body_bytes,
    });
    answer.payload = "x".repeat(control.size);
    let status = if replica.failing() { StatusCode::SERVICE_UNAVAILABLE } else { control.status };
    let json = serde_json::to_vec(&answer).unwrap_or_default();
    let mut response = with_body(status, if head.method == Method::HEAD { Vec::new() } else { json });
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

fn plain(status: StatusCode, text: String) -> Response<Body> {
    let mut response = with_body(status, text.into_bytes());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn with_body(status: StatusCode, body: Vec<u8>) -> Response<Body> {
    let body = Full::new(Bytes::from(body)).map_err(|never: Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut readable = BTreeMap::<String, String>::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let entry = readable.entry(name.to_string()).or_default();
        if !entry.is_empty() {
            entry.push_str(", ");
        }
        entry.push_str(&value);
    }
    readable
}
