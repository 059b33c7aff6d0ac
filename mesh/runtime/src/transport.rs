//! Sockets and HTTP/2 for long streams: big transfers, little memory per connection, connections that end in good order.
//!
//! In: a listener, gRPC services and, for TLS, settings that may change at any time. Out: served connections; each request carries who is at
//! the other end ([`Peer`]). Knows nothing of the services: several share a port. A peer that does not get on is dropped: TLS must be
//! agreed on, and the first request be there, within a time.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

mod services;
mod whole_data;

pub use services::Services;
use whole_data::WholeData;

/// Settings of connections.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Connections served at once; others wait in the listener's queue.
    pub max_connections: usize,
    /// Streams on one connection.
    pub max_concurrent_streams: u32,
    /// How often an idle connection is probed.
    pub keepalive_interval: Duration,
    /// How long a probe may go unanswered.
    pub keepalive_timeout: Duration,
    /// After this time (give or take a tenth) a connection is asked to go, so that load spreads over replicas.
    pub max_connection_age: Option<Duration>,
    /// How long a connection may take to finish once it was asked to go.
    pub drain: Duration,
    /// Bytes that may wait in one stream for the socket. Bounds memory when a client is slow.
    pub send_buffer: usize,
    /// How long a peer may take to agree on TLS, and then again until its first request.
    pub patience: Duration,
}

impl Default for TransportConfig {
    fn default() -> Self {
        Self {
            max_connections: 20_000,
            max_concurrent_streams: 100,
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            max_connection_age: None,
            drain: Duration::from_secs(10),
            send_buffer: 64 * 1024,
            patience: Duration::from_secs(10),
        }
    }
}

/// Request extension: cancelled when the connection is asked to go. Long streams end themselves then.
#[derive(Clone, Debug, Default)]
pub struct ConnectionEnd(pub CancellationToken);

/// Request extension: whether a request of the connection is here in part. Few connections are read at once while that is so.
#[derive(Clone, Debug, Default)]
pub struct Partial(Arc<AtomicBool>);

impl Partial {
    /// Says whether it is.
    pub fn set(&self, partial: bool) {
        self.0.store(partial, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Request extension: who is at the other end of the connection.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The certificates that it showed, its own first. They were verified when the connection was made: whoever relies on them later must
    /// look whether they have expired since.
    pub certificates: Arc<[CertificateDer<'static>]>,
}

/// How connections are protected.
#[derive(Clone, Debug)]
pub enum Security {
    /// Not at all.
    Plaintext,
    /// TLS, each connection with the settings that are current when it begins.
    Tls(watch::Receiver<Arc<ServerConfig>>),
}

/// Accepts and serves connections until `shutdown`, then lets them finish for a while.
pub async fn serve_connections(
    config: TransportConfig,
    security: Security,
    services: impl Into<Services>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let services = services.into();
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(config.max_connections));
    let large = Arc::new(Semaphore::new(whole_data::LARGE));
    let mut count: u32 = 0;
    loop {
        let accept = async {
            let permit = permits.clone().acquire_owned().await.map_err(io::Error::other)?;
            let (socket, peer) = listener.accept().await?;
            io::Result::Ok((permit, socket, peer))
        };
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((permit, socket, peer)) => {
                if let Err(error) = socket.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "cannot set TCP_NODELAY");
                }
                count = count.wrapping_add(1);
                let age = config.max_connection_age.map(|age| spread(age, count));
                let connection = Connection {
                    config: config.clone(),
                    services: services.clone(),
                    age,
                    end: shutdown.child_token(),
                    large: large.clone(),
                };
                let served = connection.secure_and_serve(&security, socket, peer);
                connections.spawn(async move {
                    if let Err(error) = served.await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file descriptors, or a peer that was gone at once: neither may end the server.
                tracing::warn!(%error, "cannot accept a connection");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    connections.close();
    if timeout(config.drain + Duration::from_secs(1), connections.wait()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections did not finish in time");
    }
    Ok(())
}

/// Ages differ by up to a tenth each way, so that connections made together do not end together.
fn spread(age: Duration, count: u32) -> Duration {
    let step = count.wrapping_mul(7) % 21;
    age * (90 + step) / 100
}

struct Connection {
    config: TransportConfig,
    services: Services,
    age: Option<Duration>,
    end: CancellationToken,
    large: Arc<Semaphore>,
}

impl Connection {
    /// In a box made to measure: a connection with TLS is larger by what TLS keeps, and there are thousands without.
    fn secure_and_serve(
        self,
        security: &Security,
        socket: TcpStream,
        address: SocketAddr,
    ) -> BoxFuture<'static, io::Result<()>> {
        match security {
            Security::Plaintext => Box::pin(self.serve(socket, Peer { address, certificates: Arc::new([]) })),
            Security::Tls(settings) => {
                let acceptor = TlsAcceptor::from(settings.borrow().clone());
                Box::pin(async move {
                    // In a box, which is gone afterwards: a handshake needs more than the connection after it.
                    let accepted = Box::pin(timeout(self.config.patience, acceptor.accept(socket))).await;
                    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "TLS was not agreed on in time");
                    let stream = accepted.map_err(late)??;
                    let (_, session) = stream.get_ref();
                    let certificates = session.peer_certificates().unwrap_or_default();
                    let certificates =
                        certificates.iter().map(|certificate| certificate.clone().into_owned()).collect();
                    Box::pin(self.serve(stream, Peer { address, certificates })).await
                })
            }
        }
    }

    async fn serve(
        self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Peer,
    ) -> io::Result<()> {
        let Self { config, services, age, end, large } = self;
        let TransportConfig {
            max_connections: _,
            max_concurrent_streams,
            keepalive_interval,
            keepalive_timeout,
            max_connection_age: _,
            drain,
            send_buffer,
            patience,
        } = config;
        let streams_end = ConnectionEnd(end.clone());
        let asked = Arc::new(AtomicBool::new(false));
        let asks = asked.clone();
        let partial = Partial::default();
        let whole = WholeData::new(io, large, partial.clone());
        let service = service_fn(move |mut request: http::Request<Incoming>| {
            asks.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(streams_end.clone());
            request.extensions_mut().insert(peer.clone());
            request.extensions_mut().insert(partial.clone());
            services.call(request)
        });
        let mut http = http2::Builder::new(TokioExecutor::new());
        http.timer(TokioTimer::new())
            .max_concurrent_streams(max_concurrent_streams)
            .keep_alive_interval(keepalive_interval)
            .keep_alive_timeout(keepalive_timeout)
            // Requests are small but for the first after a reconnect, which should not wait for window updates.
            .initial_stream_window_size(512 * 1024)
            .initial_connection_window_size(1024 * 1024)
            .max_send_buf_size(send_buffer)
            .auto_date_header(false);
        let connection = http.serve_connection(TokioIo::new(whole), service);
        let mut connection = std::pin::pin!(connection);
        let silent = async {
            sleep(patience).await;
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let aged = async {
            match age {
                Some(age) => sleep(age).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            // Most wakes are the connection's own business.
            biased;
            served = connection.as_mut() => return served.map_err(io::Error::other),
            () = silent => return Err(io::Error::new(io::ErrorKind::TimedOut, "no request came in time")),
            () = end.cancelled() => {}
            () = aged => {}
        }
        connection.as_mut().graceful_shutdown();
        end.cancel();
        timeout(drain, connection).await.unwrap_or(Ok(())).map_err(io::Error::other)
    }
}
