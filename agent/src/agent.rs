//! All that stands beside one Envoy: its identity, its secrets, its configuration's way in, and its health.
//!
//! In: [`AgentSettings`]. Out: sockets that Envoy's bootstrap names, an HTTP server, and what others may watch. It neither starts Envoy nor
//! ends it: a process in a pod does that in one way, and `meltemi up` in another.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use mesh_pki::TrustBundle;
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Identity,
    envoy::{Bootstrap, Inclusion, Listen, Node, Sockets, Source, Telemetry, build_bootstrap},
    health::Known,
    metrics::AgentMetrics,
    relay::{self, Own, Relay},
    sds,
    state::Store,
    status::{self, Status},
    workload::{self, Workload},
};

pub use crate::relay::Discovery;

/// What an agent needs to know.
#[derive(Debug, Clone)]
pub struct AgentSettings {
    /// Who the proxy is.
    pub node: Node,
    /// What is listened on.
    pub listen: Listen,
    /// The agent's sockets.
    pub sockets: Sockets,
    /// Which of Envoy's stats are kept.
    pub stats: Inclusion,
    /// Envoy's runtime flags.
    pub runtime: BTreeMap<String, String>,
    /// Whom Envoy tells of itself and of what passes.
    pub telemetry: Telemetry,
    /// Roots that Envoy trusts besides those that come with its certificate.
    pub roots: Option<TrustBundle>,
    /// The certificate.
    pub workload: workload::Settings,
    /// Where the mesh's revocation lists would be.
    pub revocations: PathBuf,
    /// The control plane.
    pub discovery: Discovery,
    /// Where the bootstrap, the sockets and what is kept for a restart are: on the pod's memory volume.
    pub directory: PathBuf,
}

/// What others add to an agent.
#[derive(Default)]
pub struct Parts {
    /// Routes of the status server.
    pub routes: axum::Router,
    /// Resources that the agent itself wants.
    pub own: Vec<Own>,
    /// What the agent tells of itself: how long its certificates live, besides.
    pub metrics: Option<Arc<AgentMetrics>>,
    /// What is known of the workload's health, for the control plane.
    pub health: Option<watch::Receiver<Known>>,
    /// The Workload API of another SPIFFE agent, which gives the certificate instead of the authority.
    pub workload_api: Option<PathBuf>,
}

/// An agent can't start.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// A socket, a file or a directory.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The status server.
    #[error("the status server can't listen on {address}: {source}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: io::Error,
    },
}

impl AgentError {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.to_path_buf(), source }
    }
}

/// A running agent. Dropping it ends it.
#[derive(Debug)]
pub struct Agent {
    bootstrap: PathBuf,
    identity: watch::Receiver<Option<Identity>>,
    status: Arc<Status>,
    quit: mpsc::Receiver<()>,
    end: CancellationToken,
    tasks: Vec<AbortHandle>,
    _workload: Option<Workload>,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.end.cancel();
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Agent {
    /// Opens the sockets and writes the bootstrap: Envoy may be started when this returns. Certificate and configuration come when they
    /// can be had.
    ///
    /// # Errors
    /// When a socket can't be opened or a file can't be written.
    pub async fn start(settings: AgentSettings, parts: Parts) -> Result<Self, AgentError> {
        let AgentSettings {
            node,
            listen,
            sockets,
            stats,
            runtime,
            telemetry,
            roots,
            workload,
            revocations,
            discovery,
            directory,
        } = settings;
        let Parts { routes, own, metrics, health, workload_api } = parts;
        std::fs::create_dir_all(&directory).map_err(AgentError::file(&directory))?;
        let state = directory.join("state");
        let store = Store::open(&state, &node.id()).map_err(AgentError::file(&state))?;

        // All that may fail comes before anything runs: whoever starts again after a failure finds no socket that is still served.
        let Sockets { configuration, secrets } = &sockets;
        if let Some(parent) = secrets.parent() {
            std::fs::create_dir_all(parent).map_err(AgentError::file(parent))?;
        }
        let serves_secrets = match sds::bind(secrets).await {
            Ok(listener) => Some(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                tracing::info!(socket = %secrets.display(), "another agent serves the workload's secrets");
                None
            }
            Err(error) => return Err(AgentError::file(secrets)(error)),
        };
        let serves_relay = sds::bind(configuration).await.map_err(AgentError::file(configuration))?;
        let address = listen.status;
        let serves_status = TcpListener::bind(address).await;
        let serves_status = serves_status.map_err(|source| AgentError::Listen { address, source })?;
        let path = directory.join("envoy-rev.json");
        let source = Source::Agent { sockets, listen };
        let bootstrap = Bootstrap { node, admin: listen.admin, source, stats, runtime, telemetry };
        let json = format!("{:#}\n", build_bootstrap(&bootstrap));
        std::fs::write(&path, json).map_err(AgentError::file(&path))?;

        let end = CancellationToken::new();
        let mut tasks = Vec::new();
        let (workload, identity) = match serves_secrets {
            Some(listener) => {
                let workload = match workload_api {
                    Some(socket) => Workload::follow(socket),
                    None => Workload::restart(workload, Some(state.join("identity.json"))),
                };
                let identity = workload.current();
                let sources =
                    sds::Sources { identity: identity.clone(), revocations: Some(revocations), roots };
                let serving = sds::serve(listener, sources, end.clone());
                tasks.push(tokio::spawn(serving).abort_handle());
                (Some(workload), Some(identity))
            }
            None => (None, None),
        };
        let held = identity.clone().unwrap_or_else(|| watch::channel(None).1);
        if let Some(metrics) = metrics {
            metrics.follow(held.clone());
        }
        let relay = Relay::new(discovery, held.clone(), store, own, health);
        tasks.push(tokio::spawn(relay::serve(serves_relay, relay, end.clone())).abort_handle());
        let (quits, quit) = mpsc::channel(1);
        let status = Arc::new(Status::new(listen, identity, quits));
        tasks.push(tokio::spawn(status::serve(serves_status, status.clone(), routes)).abort_handle());
        Ok(Self { bootstrap: path, identity: held, status, quit, end, tasks, _workload: workload })
    }

    /// The bootstrap's file.
    pub fn bootstrap(&self) -> &Path {
        &self.bootstrap
    }

    /// What the workload has; for good nothing when another agent has its certificates.
    pub fn identity(&self) -> watch::Receiver<Option<Identity>> {
        self.identity.clone()
    }

    /// How the proxy is doing.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Resolves when somebody on this machine asks the agent to end.
    pub async fn asked_to_quit(&mut self) {
        if self.quit.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}
