//! In: an accepted connection and what its port is declared to speak. Out: the bytes, handed to HTTP or to TCP.
//! A port that declares nothing is found out by its first bytes, as a sidecar does.

use std::{io, sync::Arc};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use mesh_model::{LocalPort, Protocol};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite},
    net::TcpStream,
};

use super::{Replica, http, tcp};

/// How HTTP begins: a method, or HTTP/2's preface.
const BEGINNINGS: [&[u8]; 10] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"TRACE ",
    b"CONNECT ",
    b"PRI * HTTP/2",
];

pub(super) async fn serve(stream: TcpStream, port: LocalPort, replica: Arc<Replica>) {
    // Answers are small and waited for.
    let _ = stream.set_nodelay(true);
    let LocalPort { number, protocol } = port;
    // A client that goes away is no event worth telling.
    let _ = match protocol {
        Protocol::Auto => detect_and_serve(stream, number, replica).await,
        protocol if protocol.is_http() => serve_http(stream, number, replica).await,
        _ => tcp::serve(stream, number, &replica).await,
    };
}

async fn serve_http<S>(stream: S, port: u16, replica: Arc<Replica>) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request| {
        let replica = replica.clone();
        async move { http::answer(request, port, &replica).await }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    server.serve_connection(TokioIo::new(stream), service).await.map_err(io::Error::other)
}

async fn detect_and_serve(stream: TcpStream, port: u16, replica: Arc<Replica>) -> io::Result<()> {
    let (mut read, write) = stream.into_split();
    let mut seen = Vec::new();
    let is_http = loop {
        if let Some(is_http) = looks_like_http(&seen) {
            break is_http;
        }
        if read.read_buf(&mut seen).await? == 0 {
            break false;
        }
    };
    let stream = tokio::io::join(io::Cursor::new(seen).chain(read), write);
    if is_http { serve_http(stream, port, replica).await } else { tcp::serve(stream, port, &replica).await }
}

/// `None` while more bytes are needed to say.
fn looks_like_http(seen: &[u8]) -> Option<bool> {
    if BEGINNINGS.iter().any(|beginning| seen.starts_with(beginning)) {
        return Some(true);
    }
    if BEGINNINGS.iter().any(|beginning| beginning.starts_with(seen)) { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        assert_eq!(looks_like_http(b""), None);
        assert_eq!(looks_like_http(b"PR"), None);
        assert_eq!(looks_like_http(b"PRI * HTTP/2.0\r\n"), Some(true));
        assert_eq!(looks_like_http(b"GET / HTTP/1.1"), Some(true));
        assert_eq!(looks_like_http(b"GETAWAY"), Some(false));
        assert_eq!(looks_like_http(b"\x16\x03\x01"), Some(false));
    }
}
