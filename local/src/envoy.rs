//! One real Envoy for each replica, kept running.
//!
//! In: a workload and where the xDS server is. Out: an Envoy process at the pod address, restarted when it dies, and its
//! [`SidecarState`]. It must not know what configuration the control plane streams to it.

pub mod admin;
mod agent;
mod bootstrap;
mod supervisor;
mod telemetry;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use mesh_model::{Labels, Locality, Mesh, ProxyStart, Str, Workload};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

pub use agent::{Agents, GRACE, MakeToken};
pub use bootstrap::build_bootstrap;
pub use meltemi_agent::envoy::Spawner;

use crate::{ADMIN_PORT, Identity};

/// What all sidecars of this machine share.
#[derive(Debug, Clone)]
pub struct EnvoySettings {
    /// The Envoy binary.
    pub binary: PathBuf,
    /// The control plane's xDS port in plaintext, for sidecars without agent.
    pub xds: SocketAddr,
    /// The agents beside the Envoys; without them there are no identities.
    pub agents: Option<Agents>,
    /// Where each replica gets a directory for its bootstrap and its log.
    pub run_directory: PathBuf,
    /// The cluster that the workloads say they are in.
    pub cluster_id: String,
    /// The mesh's DNS domain, such as `cluster.local`.
    pub domain: String,
}

/// What the bootstrap of one sidecar depends on: when it changes, the sidecar has to be started anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidecarSpec {
    /// Who stands behind it.
    pub identity: Identity,
    /// Where it listens.
    pub pod_address: IpAddr,
    /// Where the application listens.
    pub application: IpAddr,
    /// The workload's labels.
    pub labels: Arc<Labels>,
    /// The workload's service account.
    pub service_account: Str,
    /// Where it is said to run.
    pub locality: Locality,
    /// What its Envoy is started with.
    pub start: ProxyStart,
}

impl SidecarSpec {
    /// The sidecar of `workload` in `mesh`; `None` unless Meltemi runs that workload.
    pub fn of(mesh: &Mesh, workload: &Workload) -> Option<Self> {
        Some(Self {
            identity: Identity::of(workload),
            pod_address: *workload.addresses.first()?,
            application: workload.local.as_ref()?.application,
            labels: workload.labels.clone(),
            service_account: workload.service_account.clone(),
            locality: workload.locality.clone(),
            start: mesh.proxy_start(&workload.object.name.namespace, &workload.labels),
        })
    }

    /// Where its Envoy's admin interface is.
    pub fn admin(&self) -> SocketAddr {
        SocketAddr::new(self.pod_address, ADMIN_PORT)
    }
}

/// How a sidecar is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SidecarState {
    /// The process is there, or about to be; it has no configuration yet.
    Starting,
    /// It has its first configuration and takes requests.
    Ready,
    /// It ended and will be started again.
    Down {
        /// How it ended.
        reason: String,
    },
}

/// A sidecar could not be prepared or started.
#[derive(Debug, thiserror::Error)]
pub enum EnvoyError {
    /// The run directory can't be written.
    #[error("can't write {path}: {source}")]
    Write {
        /// Which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The binary can't be executed.
    #[error("can't run Envoy at {binary}: {source}; name another with --envoy or MELTEMI_ENVOY")]
    Run {
        /// The binary.
        binary: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no token to prove oneself with.
    #[error("no token for the workload: {0}")]
    Token(String),
    /// The agent can't start.
    #[error(transparent)]
    Agent(#[from] meltemi_agent::AgentError),
    /// No thread for the parent of all Envoys.
    #[error("can't start the thread that starts Envoys: {0}")]
    Thread(io::Error),
}

impl EnvoyError {
    fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Write { path: path.to_path_buf(), source }
    }
}

/// A supervised Envoy. Dropping it kills the process; [`Sidecar::stop`] ends it in good order.
#[derive(Debug)]
pub struct Sidecar {
    state: watch::Receiver<SidecarState>,
    spiffe_id: watch::Receiver<Option<Arc<str>>>,
    stop: Option<oneshot::Sender<()>>,
    supervisor: JoinHandle<()>,
}

impl Sidecar {
    /// Starts an Envoy for `spec` and keeps it running. `changes` counts state changes, for whoever shows them.
    pub fn start(
        spec: SidecarSpec,
        settings: Arc<EnvoySettings>,
        spawner: Spawner,
        changes: Arc<watch::Sender<u64>>,
    ) -> Self {
        let (publish, state) = watch::channel(SidecarState::Starting);
        let (proven, spiffe_id) = watch::channel(None);
        let (stop, stopped) = oneshot::channel();
        let supervisor =
            supervisor::Supervisor { spec, settings, spawner, state: publish, spiffe_id: proven, changes };
        Self { state, spiffe_id, stop: Some(stop), supervisor: tokio::spawn(supervisor.run(stopped)) }
    }

    /// How it is doing, now and later.
    pub fn state(&self) -> watch::Receiver<SidecarState> {
        self.state.clone()
    }

    /// The SPIFFE id in its workload's certificate, now and later; nothing while there is none.
    pub fn spiffe_id(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.spiffe_id.clone()
    }

    /// Ends the process; when it returns its ports are free.
    pub async fn stop(mut self) {
        // Dropping the sender is the request.
        drop(self.stop.take());
        let _ = (&mut self.supervisor).await;
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // The child is killed when the task that holds it is dropped.
        self.supervisor.abort();
    }
}
