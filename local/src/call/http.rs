//! In: a URL. Out: one answer at a time over a kept connection to the sidecar's HTTP proxy port.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use super::{Answer, Call, Target, proven::Proven};
use crate::echo::EchoAnswer;

/// More than an echo workload ever answers.
const MAX_BODY: usize = 64 << 20;
/// Enough of an answer to see what a proxy complains about.
const MAX_TEXT: usize = 100;

pub(super) struct Client {
    proxy: SocketAddr,
    http2: bool,
    sender: Option<Sender>,
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

impl Client {
    pub(super) fn new(call: &Call) -> Self {
        Self { proxy: call.from.http_proxy, http2: call.http2, sender: None }
    }

    pub(super) async fn ask(&mut self, call: &Call) -> Result<Answer, String> {
        let Target::Http(uri) = &call.target else { return Err("not an HTTP URL".to_owned()) };
        let request = request(&call.method, uri, &call.headers, self.http2)?;
        let mut sender = match self.sender.take() {
            Some(sender) if sender.is_open() => sender,
            _ => connect(self.proxy, self.http2).await?,
        };
        let response = sender.send(request).await.map_err(|error| format!("the request failed: {error}"))?;
        let answer = read(response).await?;
        // Kept only after a whole answer: anything else leaves it in an unknown state.
        self.sender = Some(sender);
        Ok(answer)
    }
}

impl Sender {
    fn is_open(&self) -> bool {
        match self {
            Self::Http1(sender) => !sender.is_closed(),
            Self::Http2(sender) => !sender.is_closed(),
        }
    }

    async fn send(&mut self, request: Request<Empty<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match self {
            Self::Http1(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Self::Http2(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }
}

async fn connect(proxy: SocketAddr, http2: bool) -> Result<Sender, String> {
    let failed = |error: &dyn std::fmt::Display| format!("the sidecar at {proxy} can't be reached: {error}");
    let stream = TcpStream::connect(proxy).await.map_err(|error| failed(&error))?;
    // Requests are small and waited for.
    stream.set_nodelay(true).map_err(|error| failed(&error))?;
    let stream = TokioIo::new(stream);
    // The connection's own task ends with its sender; what goes wrong there the sender tells, too.
    if http2 {
        let handshake = http2::handshake(TokioExecutor::new(), stream).await;
        let (sender, connection) = handshake.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        Ok(Sender::Http2(sender))
    } else {
        let (sender, connection) = http1::handshake(stream).await.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        Ok(Sender::Http1(sender))
    }
}

/// The whole URL in the request line: that is what makes it a request to a proxy.
fn request(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    http2: bool,
) -> Result<Request<Empty<Bytes>>, String> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method.clone();
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers.clone();
    if let (false, Some(authority)) = (http2, uri.authority()) {
        let host = HeaderValue::from_str(authority.as_str()).map_err(|error| error.to_string())?;
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    Ok(request)
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let (head, body) = response.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await;
    let body = body.map_err(|error| format!("the answer broke off: {error}"))?.to_bytes();
    let echo: Option<EchoAnswer> = serde_json::from_slice(&body).ok();
    let text = if echo.is_some() { String::new() } else { first_words(&body) };
    let seen = echo.as_ref().and_then(|echo| echo.request.as_ref());
    let proven = seen.and_then(|seen| Proven::of(seen.headers.get("x-forwarded-client-cert")?));
    let by = echo.map(|echo| echo.identity);
    Ok(Answer { code: head.status.as_u16().to_string(), by, text, proven })
}

fn first_words(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let line = text.lines().next().unwrap_or_default().trim();
    line.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}
