//! In: a path. Out: the body of the answer. One connection a request: tests ask rarely.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub(super) async fn request(admin: SocketAddr, method: &str, path: &str) -> Result<String> {
    let ask = async {
        let stream = TcpStream::connect(admin).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::builder().method(method).uri(path).header("host", admin.to_string());
        let response = sender.send_request(request.body(Empty::<Bytes>::new())?).await?;
        let status = response.status();
        let body = response.into_body().collect().await?.to_bytes();
        connection.abort();
        let body = String::from_utf8_lossy(&body).into_owned();
        if status != hyper::StatusCode::OK {
            bail!("{status}: {}", body.trim());
        }
        Ok(body)
    };
    ask.await.with_context(|| format!("{method} {path} of Envoy's admin port"))
}
