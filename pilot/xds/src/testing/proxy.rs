//! Runs the model of an Envoy over real gRPC, with little enough overhead for thousands in one process.
//!
//! In: an address. Out: a handle that shows what the proxy holds and waits for conditions. One connection and one task a proxy.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use http_body::Frame;
use http_body_util::StreamBody;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::requests::Requests;
use crate::resource::ResourceType;
use crate::transport::Partial;
use crate::wire::Resource;

use super::{Client, Envoy};

/// Responses larger than this end a test.
const LIMIT: usize = 1 << 30;

/// Says why a resource is not acceptable, or `None` if it is.
pub type Refuse = Arc<dyn Fn(ResourceType, &Resource) -> Option<String> + Send + Sync>;

/// A connected proxy.
pub struct TestProxy<C: Client = Envoy> {
    client: Arc<Mutex<C>>,
    progress: watch::Receiver<u64>,
    requests: mpsc::UnboundedSender<C::Request>,
    task: JoinHandle<Option<tonic::Status>>,
}

impl<C: Client> TestProxy<C> {
    /// Connects and subscribes with what the model has; accepts everything.
    pub async fn connect(addr: impl ToSocketAddrs, client: C) -> io::Result<Self> {
        Self::connect_refusing(addr, client, Arc::new(|_, _| None)).await
    }

    /// Connects and refuses some resources.
    pub async fn connect_refusing(
        addr: impl ToSocketAddrs,
        mut client: C,
        refuse: Refuse,
    ) -> io::Result<Self> {
        let socket = TcpStream::connect(addr).await?;
        socket.set_nodelay(true)?;
        let authority = socket.peer_addr()?;
        let (mut sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(256 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .handshake(TokioIo::new(socket))
            .await
            .map_err(io::Error::other)?;
        let connection = tokio::spawn(connection);
        let (requests, mut outgoing) = mpsc::unbounded_channel();
        for request in client.connect() {
            let _ = requests.send(request);
        }
        let frames = futures::stream::poll_fn(move |cx| outgoing.poll_recv(cx))
            .map(|request: C::Request| Ok::<_, Infallible>(Frame::data(frame(&request))));
        let path = format!("envoy.service.discovery.v3.AggregatedDiscoveryService/{}", C::METHOD);
        let request = http::Request::post(format!("http://{authority}/{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(StreamBody::new(frames))
            .map_err(io::Error::other)?;
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let refused = tonic::Status::from_header_map(response.headers());
        let client = Arc::new(Mutex::new(client));
        let (progressed, progress) = watch::channel(0);
        let (model, replies) = (client.clone(), requests.clone());
        let task = tokio::spawn(async move {
            // The connection lives as long as its sender.
            let _sender = sender;
            let body = tonic::body::Body::new(response.into_body());
            let mut responses = Requests::<C::Response>::new(body, LIMIT, Partial::default());
            let mut end = refused;
            while let Some(response) = responses.next().await {
                let response = match response {
                    Ok(response) => response,
                    Err(status) => {
                        end = Some(status);
                        break;
                    }
                };
                let follow_up =
                    model.lock().unwrap_or_else(PoisonError::into_inner).receive(response, &*refuse);
                for request in follow_up {
                    let _ = replies.send(request);
                }
                progressed.send_modify(|count| *count += 1);
            }
            connection.abort();
            end.or(responses.trailers())
        });
        Ok(Self { client, progress, requests, task })
    }

    /// Looks at the proxy.
    pub fn look<T>(&self, look: impl FnOnce(&C) -> T) -> T {
        look(&self.client.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until the proxy meets a condition; `false` when its stream ends before.
    pub async fn wait_until(&mut self, condition: impl Fn(&C) -> bool) -> bool {
        loop {
            if self.look(&condition) {
                return true;
            }
            if self.progress.changed().await.is_err() {
                return self.look(&condition);
            }
        }
    }

    /// Sends a request of one's own, such as an on-demand subscription.
    pub fn send(&self, request: C::Request) {
        let _ = self.requests.send(request);
    }

    /// Waits for the end of the stream and gives its status, if the server sent one.
    pub async fn ended(self) -> Option<tonic::Status> {
        self.task.await.ok().flatten()
    }

    /// Breaks the connection and gives the model back, to connect again with what it has.
    pub async fn disconnect(self) -> Option<C> {
        let Self { client, progress: _, requests: _, task } = self;
        task.abort();
        // Whatever the outcome: the task is over, and with it its share of the model.
        let _ = task.await;
        Arc::try_unwrap(client).ok().map(|client| client.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

fn frame(request: &impl Message) -> Bytes {
    let length = request.encoded_len();
    let mut frame = BytesMut::with_capacity(5 + length);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    frame.put_slice(&request.encode_to_vec());
    frame.freeze()
}
