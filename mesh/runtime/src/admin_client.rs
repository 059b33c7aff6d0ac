//! In: an address and a path. Out: the body of a successful answer, or what went wrong, readable.
//! For asking admin and debug endpoints, Envoy's and ours; it must not be used for requests through the mesh.

use std::{io, net::SocketAddr, time::Duration};

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

/// These endpoints answer at once or not at all.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than the largest configuration dump.
const MAX_BODY: usize = 512 << 20;

/// Why there is no body.
#[derive(Debug, thiserror::Error)]
pub enum AdminClientError {
    /// Nobody listens.
    #[error("nothing answers at {address}: {source}")]
    Connect {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("http://{address}{path}: {source}")]
    Http {
        /// Where.
        address: SocketAddr,
        /// What was asked.
        path: String,
        /// What went wrong.
        source: hyper::Error,
    },
    /// The path can't be asked.
    #[error("`{path}` is not a path that can be asked for")]
    Path {
        /// The path.
        path: String,
    },
    /// The server says no.
    #[error("http://{address}{path} answers {status}: {text}")]
    Status {
        /// Where.
        address: SocketAddr,
        /// What was asked.
        path: String,
        /// What it answers.
        status: StatusCode,
        /// The first line of the body.
        text: String,
    },
    /// The body is not what it should be.
    #[error("http://{address}{path} answers what can't be read: {reason}")]
    Body {
        /// Where.
        address: SocketAddr,
        /// What was asked.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It took too long.
    #[error("http://{address}{path} did not answer within {TIMEOUT:?}")]
    Timeout {
        /// Where.
        address: SocketAddr,
        /// What was asked.
        path: String,
    },
}

/// Asks once, on a connection of its own.
///
/// # Errors
/// When there is no answer, or another than 200.
pub async fn get(address: SocketAddr, path: &str) -> Result<Bytes, AdminClientError> {
    request(Method::GET, address, path).await
}

/// Has something done, on a connection of its own.
///
/// # Errors
/// When there is no answer, or another than 200.
pub async fn post(address: SocketAddr, path: &str) -> Result<Bytes, AdminClientError> {
    request(Method::POST, address, path).await
}

async fn request(method: Method, address: SocketAddr, path: &str) -> Result<Bytes, AdminClientError> {
    let late = |_| AdminClientError::Timeout { address, path: path.to_owned() };
    timeout(TIMEOUT, ask(method, address, path)).await.map_err(late)?
}

async fn ask(method: Method, address: SocketAddr, path: &str) -> Result<Bytes, AdminClientError> {
    let http = |source| AdminClientError::Http { address, path: path.to_owned(), source };
    let stream = TcpStream::connect(address).await;
    let stream = stream.map_err(|source| AdminClientError::Connect { address, source })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
    let request = Request::builder().method(method).uri(path).header(header::HOST, address.to_string());
    let request = request.body(Empty::<Bytes>::new());
    let request = request.map_err(|_| AdminClientError::Path { path: path.to_owned() })?;
    let answer = async move {
        let response = sender.send_request(request).await.map_err(http)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
        let reason = |error: Box<dyn std::error::Error + Send + Sync>| error.to_string();
        let body = body.map_err(|error| AdminClientError::Body {
            address,
            path: path.to_owned(),
            reason: reason(error),
        })?;
        Ok((status, body.to_bytes()))
    };
    // The answer drops the sender when it is complete, and with that the connection ends.
    let (answer, _) = tokio::join!(answer, connection);
    let (status, body) = answer?;
    if status == StatusCode::OK {
        return Ok(body);
    }
    let text = String::from_utf8_lossy(&body).lines().next().unwrap_or_default().to_owned();
    Err(AdminClientError::Status { address, path: path.to_owned(), status, text })
}
