//! Sockets and HTTP/2 for long streams: big transfers, little memory per connection, connections that end in good order.
//!
//! In: a listener and gRPC routes. Out: served connections. Knows nothing of xDS; other gRPC services can share the port.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::service::Routes;
use tower::Service as _;

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
        }
    }
}

/// Request extension: cancelled when the connection is asked to go. Long streams end themselves then.
#[derive(Clone, Debug, Default)]
pub struct ConnectionEnd(pub CancellationToken);

/// Accepts and serves connections until `shutdown`, then lets them finish for a while.
pub async fn serve_connections(
    config: TransportConfig,
    routes: Routes,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let connections = TaskTracker::new();
    let permits = Arc::new(Semaphore::new(config.max_connections));
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
                let (config, routes, end) = (config.clone(), routes.clone(), shutdown.child_token());
                let age = config.max_connection_age.map(|age| spread(age, count));
                connections.spawn(async move {
                    if let Err(error) = serve_connection(config, routes, socket, age, end).await {
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

/// Serves one connection, which may be anything that reads and writes (TLS, a Unix socket).
pub async fn serve_connection(
    config: TransportConfig,
    routes: Routes,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    age: Option<Duration>,
    end: CancellationToken,
) -> Result<(), hyper::Error> {
    let TransportConfig {
        max_connections: _,
        max_concurrent_streams,
        keepalive_interval,
        keepalive_timeout,
        max_connection_age: _,
        drain,
        send_buffer,
    } = config;
    let streams_end = ConnectionEnd(end.clone());
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(streams_end.clone());
        routes.clone().call(request)
    });
    let mut http = http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .max_concurrent_streams(max_concurrent_streams)
        .keep_alive_interval(keepalive_interval)
        .keep_alive_timeout(keepalive_timeout)
        // Requests are small but for the first after a reconnect, which should not wait for window updates.
        .initial_stream_window_size(512 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_frame_size(64 * 1024)
        .max_send_buf_size(send_buffer)
        .auto_date_header(false);
    let connection = http.serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    let aged = async {
        match age {
            Some(age) => sleep(age).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = connection.as_mut() => return served,
        () = end.cancelled() => {}
        () = aged => {}
    }
    connection.as_mut().graceful_shutdown();
    end.cancel();
    timeout(drain, connection).await.unwrap_or(Ok(()))
}
