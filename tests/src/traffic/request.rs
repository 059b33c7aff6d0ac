//! One request at a time, with all that came back.
//!
//! In: a request and the HTTP proxy port of a sidecar. Out: the answer of whoever gave it, read as an echo workload's if it is one.
//! Each request has a connection of its own, so that none depends on what another left behind.

use anyhow::{Context, Result};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use meltemi_local::echo::EchoAnswer;
use std::{
    io,
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
};

/// Longer than anything a test waits for on purpose.
const WITHIN: Duration = Duration::from_secs(20);

/// What a program in the mesh sends.
#[derive(Debug, Clone)]
pub struct Request {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    http2: bool,
    direct: bool,
}

/// What it gets.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// Trailers, as gRPC has them.
    pub trailers: HeaderMap,
    /// What an echo workload says, if it was one that answered.
    pub echo: Option<EchoAnswer>,
    /// The body.
    pub body: Bytes,
    /// How long it took.
    pub took: Duration,
}

impl Request {
    /// A GET of an absolute URL.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn get(url: &str) -> Result<Self> {
        let uri = url.parse().with_context(|| format!("`{url}`"))?;
        let (headers, body) = (HeaderMap::new(), Bytes::new());
        Ok(Self { method: Method::GET, uri, headers, body, http2: false, direct: false })
    }

    /// With another method.
    ///
    /// # Errors
    /// When it is none.
    pub fn method(mut self, method: &str) -> Result<Self> {
        self.method = method.parse().with_context(|| format!("method `{method}`"))?;
        Ok(self)
    }

    /// With one header more.
    ///
    /// # Errors
    /// When it is none.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self> {
        let name: HeaderName = name.parse().with_context(|| format!("header `{name}`"))?;
        self.headers.append(name, HeaderValue::from_str(value)?);
        Ok(self)
    }

    /// With a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Over HTTP/2 without TLS.
    pub fn http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// To a server, as far as the sender knows, and not by a proxy.
    pub fn direct(mut self) -> Self {
        self.direct = true;
        self
    }

    /// A gRPC call with one message.
    ///
    /// # Errors
    /// When the URL is none.
    pub fn grpc(url: &str, message: &[u8]) -> Result<Self> {
        let mut body = vec![0];
        body.extend(u32::try_from(message.len())?.to_be_bytes());
        body.extend(message);
        let call = Self::get(url)?.method("POST")?.body(body).http2();
        call.header("content-type", "application/grpc")?.header("te", "trailers")
    }

    /// Sends it to `proxy`, the HTTP proxy port of a sidecar, or to a server.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn send(&self, proxy: SocketAddr) -> Result<Answer> {
        let connect = async {
            let stream = TcpStream::connect(proxy).await?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        self.send_on(&proxy.to_string(), connect).await
    }

    /// Sends it to whoever listens at a Unix domain socket; `@` begins the name of an abstract one.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub async fn send_to_socket(&self, path: &str) -> Result<Answer> {
        self.send_on(path, connect_to_socket(path)).await
    }

    async fn send_on<S>(&self, to: &str, connect: impl Future<Output = io::Result<S>>) -> Result<Answer>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let what = || format!("{} {} by {to}", self.method, self.uri);
        let started = Instant::now();
        let exchange = async {
            let stream = connect.await.context("the sidecar can't be reached")?;
            self.exchange(stream, started).await
        };
        let answer = tokio::time::timeout(WITHIN, exchange).await;
        answer.with_context(|| format!("{}: no answer within {WITHIN:?}", what()))?.with_context(what)
    }

    async fn exchange<S>(&self, stream: S, started: Instant) -> Result<Answer>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (stream, request) = (TokioIo::new(stream), self.request()?);
        // A connection ends with its sender, which lives until the body is read.
        let (head, body, _http1, _http2);
        if self.http2 {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            (head, body) = sender.send_request(request).await?.into_parts();
            _http2 = sender;
        } else {
            let (mut sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            (head, body) = sender.send_request(request).await?.into_parts();
            _http1 = sender;
        }
        let collected = body.collect().await.context("the answer broke off")?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = collected.to_bytes();
        let took = started.elapsed();
        let echo = serde_json::from_slice(&body).ok();
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, trailers, echo, body, took })
    }

    /// The whole URL in the request line is what makes it a request to a proxy.
    fn request(&self) -> Result<http::Request<Full<Bytes>>> {
        let Self { method, uri, headers, body, http2, direct } = self;
        let mut request = http::Request::new(Full::new(body.clone()));
        *request.method_mut() = method.clone();
        *request.uri_mut() = match (direct, uri.path_and_query()) {
            (true, Some(path)) => path.as_str().parse()?,
            _ => uri.clone(),
        };
        *request.headers_mut() = headers.clone();
        if let (false, Some(authority)) = (*http2, uri.authority()) {
            request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
        }
        Ok(request)
    }
}

/// A connection to a Unix domain socket; `@` begins the name of an abstract one.
///
/// # Errors
/// When nobody listens there.
pub async fn connect_to_socket(path: &str) -> io::Result<UnixStream> {
    match path.strip_prefix('@') {
        Some(name) => UnixStream::connect(format!("\0{name}")).await,
        None => UnixStream::connect(path).await,
    }
}

impl Answer {
    /// A header, or a trailer of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name).or_else(|| self.trailers.get(name))?;
        value.to_str().ok()
    }

    /// The version of the echo workload that answered; empty when none did.
    pub fn version(&self) -> &str {
        self.echo.as_ref().map_or("", |echo| &echo.identity.version)
    }

    /// The pod that answered; empty when none did.
    pub fn pod(&self) -> &str {
        self.echo.as_ref().map_or("", |echo| &echo.identity.pod)
    }

    /// A line for messages of failing tests.
    pub fn summary(&self) -> String {
        let Self { status, headers, trailers: _, echo: _, body, took } = self;
        let body = String::from_utf8_lossy(body);
        let body: String = body.chars().take(400).collect();
        format!("{status} after {took:?}, {headers:?}, {body}")
    }
}
