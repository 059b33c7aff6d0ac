//! The built-in workload: answers whatever it is asked with who it is and what it saw.
//!
//! In: who to be ([`EchoSpec`]). Out: open ports that speak HTTP/1.1, h2c, gRPC or TCP, and an [`EchoHandle`] that
//! counts requests and can make the replica fail. It must not know of Envoy or of the mesh around it.
//!
//! A request may ask for trouble: `?status=503` or the header `x-echo-status`, `?delay=200ms`, `?size=65536`; a gRPC call
//! by the header `x-echo-status` with a gRPC code. A TCP client that begins with the line `WHOAMI` is told who answers.

mod connection;
mod control;
mod grpc;
mod http;
mod tcp;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use mesh_model::{LocalPort, Protocol, Workload};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, JoinSet},
};

use crate::Identity;

/// The first line of a TCP connection that asks who answers.
pub const WHOAMI: &str = "WHOAMI";

/// What an echo workload is, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EchoSpec {
    /// Who it says it is.
    pub identity: Identity,
    /// The address that the mesh knows it by; told in answers.
    pub pod_address: IpAddr,
    /// The address that it binds.
    pub application: IpAddr,
    /// Its ports.
    pub ports: Vec<LocalPort>,
}

impl EchoSpec {
    /// The echo that stands for `workload`; `None` unless Meltemi runs that workload.
    pub fn of(workload: &Workload) -> Option<Self> {
        let local = workload.local.as_ref()?;
        Some(Self {
            identity: Identity::of(workload),
            pod_address: *workload.addresses.first()?,
            application: local.application,
            ports: local.ports.clone(),
        })
    }
}

/// A port could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the echo workload {pod} can't listen on {address}: {source}{}", advice(source))]
pub struct EchoError {
    /// Which replica.
    pub pod: Arc<str>,
    /// Where it was to listen.
    pub address: SocketAddr,
    /// Why it can't.
    pub source: io::Error,
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "; is another `meltemi up` running on the same files?",
        io::ErrorKind::PermissionDenied => "; ports below 1024 need root, use a containerPort such as 8080",
        _ => "",
    }
}

/// What an HTTP request or a `WHOAMI` line is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EchoAnswer {
    /// Who answers.
    #[serde(flatten)]
    pub identity: Identity,
    /// Its address in the mesh.
    pub address: IpAddr,
    /// The port that was asked.
    pub port: u16,
    /// `HTTP/1.1`, `HTTP/2` or `TCP`.
    pub protocol: String,
    /// What an HTTP request looked like when it arrived.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub request: Option<http::Seen>,
    /// Filling, as much as `?size=` asked for.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub payload: String,
}

pub use http::Seen;

/// What all connections of one replica share.
#[derive(Debug)]
struct Replica {
    spec: EchoSpec,
    failing: AtomicBool,
    requests: AtomicU64,
}

impl Replica {
    fn count(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    fn failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    fn answer(&self, port: u16, protocol: &str) -> EchoAnswer {
        EchoAnswer {
            identity: self.spec.identity.clone(),
            address: self.spec.pod_address,
            port,
            protocol: protocol.to_owned(),
            request: None,
            payload: String::new(),
        }
    }
}

/// Reads how many requests an echo workload has answered.
#[derive(Debug, Clone)]
pub struct RequestCounter(Arc<Replica>);

impl RequestCounter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.requests.load(Ordering::Relaxed)
    }
}

/// A running echo workload. Dropping it closes its ports and connections.
#[derive(Debug)]
pub struct EchoHandle {
    replica: Arc<Replica>,
    addresses: Vec<SocketAddr>,
    ports: Vec<JoinHandle<()>>,
}

/// Opens all ports of `spec`. Port 0 takes a free one, told by [`EchoHandle::addresses`].
///
/// # Errors
/// When one of them can't be opened; then none stays open.
pub async fn start(spec: EchoSpec) -> Result<EchoHandle, EchoError> {
    let mut listeners = Vec::new();
    let mut addresses = Vec::new();
    for port in spec.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
        let address = SocketAddr::new(spec.application, port.number);
        let error = |source| EchoError { pod: spec.identity.pod.clone(), address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        addresses.push(address);
        listeners.push((listener, LocalPort { number: address.port(), protocol: port.protocol }));
    }
    let replica = Arc::new(Replica { spec, failing: AtomicBool::new(false), requests: AtomicU64::new(0) });
    let ports = listeners
        .into_iter()
        .map(|(listener, port)| tokio::spawn(accept(listener, port, replica.clone())))
        .collect();
    Ok(EchoHandle { replica, addresses, ports })
}

async fn accept(listener: TcpListener, port: LocalPort, replica: Arc<Replica>) {
    // Connections live in this task, so that they end with it.
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection::serve(stream, port.clone(), replica.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, port = port.number, "an echo workload could not accept");
                // Out of file descriptors: trying again at once would only spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

impl EchoHandle {
    /// Where it listens, in the order of the spec's TCP ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// HTTP requests, gRPC calls and TCP connections answered so far, failures included.
    pub fn requests(&self) -> u64 {
        self.counter().get()
    }

    /// The same number, for whoever shows it without owning the workload.
    pub fn counter(&self) -> RequestCounter {
        RequestCounter(self.replica.clone())
    }

    /// Makes the replica answer every request with 503 (gRPC: UNAVAILABLE) and close TCP connections, or stop doing so.
    pub fn set_failing(&self, failing: bool) {
        self.replica.failing.store(failing, Ordering::Relaxed);
    }

    /// Closes ports and connections; when it returns the ports are free.
    pub async fn stop(mut self) {
        for port in std::mem::take(&mut self.ports) {
            port.abort();
            // Aborted is what it is meant to be.
            let _ = port.await;
        }
    }
}

impl Drop for EchoHandle {
    fn drop(&mut self) {
        self.ports.iter().for_each(JoinHandle::abort);
    }
}
