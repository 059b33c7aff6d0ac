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
    /// Whether only the ports are others.
    pub(crate) fn is_same_replica(&self, other: &Self) -> bool {
        let Self { identity, pod_address, application, ports: _ } = self;
        (identity, pod_address, application) == (&other.identity, &other.pod_address, &other.application)
    }

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
    open: Vec<OpenPort>,
}

/// A port that is open.
#[derive(Debug)]
struct OpenPort {
    /// As it was asked for.
    wanted: LocalPort,
    address: SocketAddr,
    task: JoinHandle<()>,
}

/// Opens all ports of `spec`. Port 0 takes a free one, told by [`EchoHandle::addresses`].
///
/// # Errors
/// When one of them can't be opened; then none stays open.
pub async fn start(spec: EchoSpec) -> Result<EchoHandle, EchoError> {
    let ports = spec.ports.clone();
    let replica = Arc::new(Replica { spec, failing: AtomicBool::new(false), requests: AtomicU64::new(0) });
    let mut handle = EchoHandle { replica, open: Vec::new() };
    handle.set_ports(&ports).await?;
    Ok(handle)
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
    /// Where it listens, in the order in which the ports were opened.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.open.iter().map(|port| port.address).collect()
    }

    /// Opens the ports that are not open yet and closes those that are not wanted. The others, and the connections to them, are
    /// left alone.
    ///
    /// # Errors
    /// When one of them can't be opened.
    pub async fn set_ports(&mut self, wanted: &[LocalPort]) -> Result<(), EchoError> {
        let (kept, closed) = std::mem::take(&mut self.open)
            .into_iter()
            .partition::<Vec<_>, _>(|port| wanted.contains(&port.wanted));
        self.open = kept;
        // First, so that a port may speak something else from now on.
        close(closed).await;
        for port in wanted.iter().filter(|port| port.protocol != Protocol::Udp) {
            if self.open.iter().any(|open| open.wanted == *port) {
                continue;
            }
            let spec = &self.replica.spec;
            let address = SocketAddr::new(spec.application, port.number);
            let error = |source| EchoError { pod: spec.identity.pod.clone(), address, source };
            let listener = TcpListener::bind(address).await.map_err(error)?;
            let address = listener.local_addr().map_err(error)?;
            let opened = LocalPort { number: address.port(), protocol: port.protocol };
            let task = tokio::spawn(accept(listener, opened, self.replica.clone()));
            self.open.push(OpenPort { wanted: port.clone(), address, task });
        }
        Ok(())
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
        close(std::mem::take(&mut self.open)).await;
    }
}

/// When it returns the ports are free.
async fn close(ports: Vec<OpenPort>) {
    for OpenPort { wanted: _, address: _, task } in ports {
        task.abort();
        // Aborted is what it is meant to be.
        let _ = task.await;
    }
}

impl Drop for EchoHandle {
    fn drop(&mut self) {
        self.open.iter().for_each(|port| port.task.abort());
    }
}
