//! One HTTP request over a connection of its own.
//!
//! In: where to, over what, and the request. Out: the head of the response, and its body as it comes. Probes and scrapes are rare, and a
//! connection that is kept would be one that the application may close just when it is used.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::body::Body;
use hyper::{Request, Response, body::Incoming, client::conn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpSocket, TcpStream},
};
use tokio_rustls::TlsConnector;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    /// No connection, or none with TLS.
    #[error("{address} can't be reached: {error}")]
    Connect {
        /// Where to.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// It does not speak HTTP.
    #[error("{0}")]
    Http(#[from] hyper::Error),
}

/// Where a request goes.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Its address.
    pub(crate) address: SocketAddr,
    /// The address that the connection comes from, where that matters.
    pub(crate) from: Option<IpAddr>,
    /// TLS, if it speaks that.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// A connection.
pub(crate) async fn connect(address: SocketAddr, from: Option<IpAddr>) -> Result<TcpStream, ExchangeError> {
    let connected = async {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if let Some(from) = from {
            socket.bind((from, 0).into())?;
        }
        socket.connect(address).await
    };
    connected.await.map_err(|error| ExchangeError::Connect { address, error })
}

/// Sends a request, whose URI is a path, and waits for the head of the response.
pub(crate) async fn exchange(
    peer: &Peer,
    request: Request<Body>,
) -> Result<Response<Incoming>, ExchangeError> {
    let Peer { address, from, tls } = peer;
    let stream = connect(*address, *from).await?;
    match tls {
        None => send(stream, request, false).await,
        Some(config) => {
            let name = ServerName::IpAddress(address.ip().into());
            let connected = TlsConnector::from(config.clone()).connect(name, stream).await;
            let stream = connected.map_err(|error| ExchangeError::Connect { address: *address, error })?;
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            send(stream, request, http2).await
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut request: Request<Body>,
    http2: bool,
) -> Result<Response<Incoming>, ExchangeError> {
    let io = TokioIo::new(stream);
    // The connections end when the response is read, or dropped.
    if http2 {
        let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), io).await?;
        tokio::spawn(connection);
        // What `Host` is in the older version.
        if let Some(host) = request.headers_mut().remove(http::header::HOST) {
            let mut parts = std::mem::take(request.uri_mut()).into_parts();
            parts.scheme = Some(http::uri::Scheme::HTTPS);
            parts.authority = host.to_str().ok().and_then(|host| host.parse().ok());
            *request.uri_mut() = http::Uri::from_parts(parts).unwrap_or_default();
        }
        return Ok(sender.send_request(request).await?);
    }
    let (mut sender, connection) = conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
