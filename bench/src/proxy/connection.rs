//! One proxy's connection: HTTP/2 as Envoy configures it, and a gRPC stream on it.
//!
//! In: an address, a proxy. Out: its requests, written as they come about. Errors go to the board: a fleet with a broken
//! proxy measures nothing.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use h2::{RecvStream, SendStream, client};
use http::{Method, Request as HttpRequest, Version as HttpVersion};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::board::Board;
use super::catalog::Catalog;
use super::conversation::Conversation;
use super::protocol::{Proxy, Start};
use super::request::Request;
use crate::secure::Secure;

/// Envoy's defaults since 1.36.
const STREAM_WINDOW: u32 = 16 << 20;
const CONNECTION_WINDOW: u32 = 24 << 20;

const METHOD: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

/// How long to wait before a connection that was refused is tried again.
const RETRY: Duration = Duration::from_millis(1);

/// What a proxy's connection needs.
#[derive(Clone)]
pub struct Surroundings {
    /// The server.
    pub server: SocketAddr,
    /// Names and versions.
    pub catalog: Rc<RefCell<Catalog>>,
    /// Where to report.
    pub board: Rc<Board>,
    /// How many connections may be opened at a time: the queue of a listening socket is short.
    pub opening: Rc<Semaphore>,
    /// How to speak TLS; `None`: not at all.
    pub secure: Option<Rc<Secure>>,
}

/// Connects a proxy and keeps it connected until the task is dropped. Before the first answer, a server that is not up yet
/// is tried again.
pub async fn run(proxy: Rc<RefCell<Proxy>>, start: Start, token: Option<String>, surroundings: Surroundings) {
    if let Err(error) = converse(&proxy, start, token.as_deref(), &surroundings).await {
        surroundings.board.failed(format!("{error:#}"));
    }
}

async fn converse(
    proxy: &Rc<RefCell<Proxy>>,
    start: Start,
    token: Option<&str>,
    surroundings: &Surroundings,
) -> Result<()> {
    loop {
        let opening = surroundings.opening.acquire().await?;
        // A server that is not up, or whose queue is full: Envoy tries again, too.
        let Ok((mut requests, responses, connection)) = open(token, surroundings).await else {
            drop(opening);
            tokio::time::sleep(RETRY).await;
            continue;
        };
        // The connection must end with this task.
        let _connection = AbortOnDrop(connection);
        let mut conversation = Conversation::new(proxy.clone());
        let first = conversation.open(start, &mut surroundings.catalog.borrow_mut())?;
        send(&mut requests, &first, surroundings)?;
        let Some(body) = accepted(responses).await? else {
            drop(opening);
            tokio::time::sleep(RETRY).await;
            continue;
        };
        drop(opening);
        return read(conversation, body, requests, surroundings).await;
    }
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Opened = (SendStream<Bytes>, client::ResponseFuture, JoinHandle<()>);

/// Opens a stream.
async fn open(token: Option<&str>, surroundings: &Surroundings) -> Result<Opened> {
    let server = surroundings.server;
    let socket = TcpStream::connect(server).await?;
    socket.set_nodelay(true)?;
    let (handle, connection) = match &surroundings.secure {
        None => shake_hands(socket).await?,
        Some(secure) => shake_hands(secure.connect(socket).await?).await?,
    };
    let request = HttpRequest::builder()
        .method(Method::POST)
        .version(HttpVersion::HTTP_2)
        .uri(format!("http://{server}/{METHOD}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let request = match token {
        Some(token) => request.header("authorization", format!("Bearer {token}")),
        None => request,
    };
    let request = request.body(())?;
    let (response, requests) = handle.ready().await?.send_request(request, false)?;
    Ok((requests, response, connection))
}

async fn shake_hands(
    socket: impl AsyncRead + AsyncWrite + Unpin + 'static,
) -> Result<(client::SendRequest<Bytes>, JoinHandle<()>)> {
    let (handle, connection) = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(socket)
        .await?;
    let connection = tokio::task::spawn_local(async move {
        // The stream gets the error, too.
        let _ = connection.await;
    });
    Ok((handle, connection))
}

/// The body of the answer; `None` if there is none, or if the server is not ready.
async fn accepted(response: client::ResponseFuture) -> Result<Option<RecvStream>> {
    const UNAVAILABLE: &str = "14";
    let Ok(response) = response.await else { return Ok(None) };
    match response.headers().get("grpc-status").map(|status| status.to_str().unwrap_or_default()) {
        None => Ok(Some(response.into_body())),
        Some(UNAVAILABLE) => Ok(None),
        Some(status) => bail!("the stream was refused with gRPC status {status}: {:?}", response.headers()),
    }
}

async fn read(
    mut conversation: Conversation,
    mut body: RecvStream,
    mut requests: SendStream<Bytes>,
    surroundings: &Surroundings,
) -> Result<()> {
    let Surroundings { server: _, catalog, board, opening: _, secure: _ } = surroundings;
    while let Some(chunk) = body.data().await {
        let chunk = chunk.context("a stream broke")?;
        let answer = conversation.read(&chunk, &mut catalog.borrow_mut(), board)?;
        body.flow_control().release_capacity(chunk.len())?;
        send(&mut requests, &answer, surroundings)?;
    }
    let trailers = body.trailers().await.ok().flatten();
    bail!("the server ended a stream: {trailers:?}")
}

fn send(stream: &mut SendStream<Bytes>, requests: &[Request], surroundings: &Surroundings) -> Result<()> {
    for request in requests {
        stream.send_data(request.encode(&surroundings.catalog.borrow()), false)?;
    }
    Ok(())
}
