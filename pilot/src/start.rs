//! Starts the control plane and keeps it going: source -> ingest -> publisher -> streams.

use crate::{
    Config, PilotMetrics, Publisher, Readers, SourceConfig, debug,
    status::{self, Proxies},
    triggers::Triggers,
};
use mesh_model::{Mesh, ObjectRef};
use mesh_runtime::{drain::Drain, ready::Readiness};
use pilot_ingest::{Access, Report, Settings, Update, events::Events};
use pilot_status::{Condition, Inquiries, Programmed, Progress, Registrations, Since, Sources, collect};
use pilot_xds::{
    server::{AdsService, Handles, ServerConfig},
    transport::{Security, Services, serve_connections},
};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    net::{TcpListener, TcpSocket},
    sync::watch,
};
use tokio_util::sync::CancellationToken;

/// Why the control plane could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The xDS address is taken or not ours.
    #[error("cannot listen for xDS on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// Configuration cannot be read at all.
    #[error(transparent)]
    Source(#[from] pilot_ingest::SourceError),
}

/// A running control plane. Cheap to clone.
#[derive(Clone)]
pub struct Pilot {
    publisher: Publisher,
    xds: Handles,
    ads: AdsService<Publisher>,
    grpc_address: SocketAddr,
    mesh: watch::Receiver<Arc<Mesh>>,
    report: watch::Receiver<Arc<Report>>,
    published: watch::Receiver<u64>,
    events: Arc<Events>,
    triggers: Arc<Triggers>,
    /// Where statuses are written: how far the proxies of all replicas are.
    inquiries: Option<Inquiries>,
}

impl Pilot {
    /// What is published.
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

    /// The xDS server: who is connected, what was rejected.
    pub fn xds(&self) -> &Handles {
        &self.xds
    }

    /// The discovery service, for another port that has it, too. There, whoever authenticates callers adds an
    /// [`admission`](crate::admission) to each request.
    pub fn ads(&self) -> AdsService<Publisher> {
        self.ads.clone()
    }

    /// Where xDS is served in plain text.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc_address
    }

    /// The mesh as it is published, and its successors.
    pub fn mesh(&self) -> watch::Receiver<Arc<Mesh>> {
        self.mesh.clone()
    }

    /// What is wrong with the configuration now.
    pub fn report(&self) -> Arc<Report> {
        self.report.borrow().clone()
    }

    /// What is wrong with the configuration, and its successors.
    pub fn reports(&self) -> watch::Receiver<Arc<Report>> {
        self.report.clone()
    }

    /// Count of the source's updates that are published: lets a caller wait until an edit has got there.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.clone()
    }

    /// Resolves when every proxy that is connected now has acknowledged what is published now, or has gone. A proxy that hangs
    /// never does, so whoever waits sets a limit.
    pub async fn acknowledged(&self) {
        self.publisher.acknowledged(&self.xds.sync).await;
    }

    /// What the status of an object says, as of now; `None` when there is no such object. Where statuses are written it is about the proxies of
    /// all replicas, and those that have not answered yet are named.
    pub fn status(&self, object: &ObjectRef) -> Option<[Condition; 3]> {
        let report = self.report();
        let generation = *report.generations.get(object)?;
        let found = report.entries.iter().find(|entry| entry.object.as_ref() == Some(object));
        let mut problems = found.map_or(Vec::new(), |entry| entry.for_status().cloned().collect::<Vec<_>>());
        let proxies = Proxies::new(self.publisher.clone(), self.xds.clone());
        let mut conflicts = match &self.inquiries {
            Some(all) => all.conflicts(),
            None => proxies.conflicts(),
        };
        problems.extend(conflicts.remove(object).unwrap_or_default());
        let since = Since { generation, sequence: proxies.sequence() };
        let reached = match &self.inquiries {
            Some(all) => all.reached(object, since),
            None => proxies.reached(&BTreeMap::from([(object.clone(), since)])).remove(object)?,
        };
        Some(collect(generation, &problems, Programmed::Reached(&reached)))
    }

    /// Metrics, to be registered.
    pub fn metrics(&self) -> PilotMetrics {
        PilotMetrics {
            publisher: self.publisher.clone(),
            xds: self.xds.clone(),
            events: self.events.clone(),
            triggers: self.triggers.clone(),
        }
    }

    /// Debug endpoints, to be served on loopback.
    pub fn debug_routes(&self) -> axum::Router {
        debug::routes(self.clone())
    }
}

/// Connections that may wait to be accepted: as many as proxies come back at once when another replica went away. The system
/// may have a lower limit of its own (`net.core.somaxconn`).
const BACKLOG: u32 = 16_384;

/// How often it is looked whose rights have to be asked for again.
const REVIEW: Duration = Duration::from_secs(10);

fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A restarted process must not wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Starts everything. Streams are answered once the first lists are in; the drain ends them.
pub async fn start(config: Config, readiness: &Readiness, drain: &Drain) -> Result<Pilot, StartError> {
    let Config {
        source,
        domain,
        root_namespace,
        trust_domain,
        cluster,
        mesh_config,
        grpc_address,
        max_connection_age,
        ready: ready_workloads,
        status,
    } = config;
    let listen = |source| StartError::Listen { address: grpc_address, source };
    let listener = bind(grpc_address).map_err(listen)?;
    let grpc_address = listener.local_addr().map_err(listen)?;

    // What is in files is for whom the files say.
    let readers = match &source {
        SourceConfig::Cluster { kubeconfig } => {
            Readers::of_cluster(Access::new(pilot_ingest::connect(kubeconfig.as_deref()).await?))
        }
        SourceConfig::Files(_) => Readers::default(),
    };
    let registrations = match (&source, &status) {
        (SourceConfig::Cluster { kubeconfig }, Some(status)) => {
            let client = pilot_ingest::connect(kubeconfig.as_deref()).await?;
            Some(Registrations::new(client, &status.identity))
        }
        _ => None,
    };
    let publisher = Publisher::new(readers, registrations);
    let (ready, ready_receiver) = watch::channel(false);
    let (mesh, mesh_receiver) = watch::channel(Arc::<Mesh>::default());
    let (published, published_receiver) = watch::channel(0);
    let xds = Handles::new(ready_receiver);

    let status = match &source {
        SourceConfig::Cluster { kubeconfig } => status.map(|status| (status, kubeconfig.clone())),
        SourceConfig::Files(_) => None,
    };
    let namespace = root_namespace.clone();
    let settings = Settings {
        domain,
        root_namespace,
        trust_domain,
        cluster,
        mesh_config,
        ready: ready_workloads,
        ..Settings::default()
    };
    let source = match source {
        SourceConfig::Files(path) => pilot_ingest::Source::Files(path),
        SourceConfig::Cluster { kubeconfig } => pilot_ingest::Source::Cluster { kubeconfig },
    };
    let mut ingest = pilot_ingest::start(source, settings).await?;
    let (report, events) = (ingest.reports(), ingest.events());
    let triggers = Arc::<Triggers>::default();
    let first_lists = readiness.handle("first lists");
    let publish = publisher.clone();
    let handles = xds.clone();
    let counted = triggers.clone();
    tokio::spawn(async move {
        let mut first_lists = Some(first_lists);
        // The first is given when everything is in: nothing goes out before.
        while let Some(Update { mesh: current, changes, causes, sequence }) = ingest.next().await {
            let since = Instant::now();
            publish.prepare(&current).await;
            let handed = publish.handed();
            publish.publish_in_turns(current.clone(), &changes, since, &handles.sync).await;
            counted.told(&causes, publish.handed() - handed);
            status::forget_outdated(&publish, &handles.rejections);
            mesh.send_replace(current);
            published.send_replace(sequence);
            if let Some(handle) = first_lists.take() {
                // In this order: who waits for readiness is not turned away.
                ready.send_replace(true);
                handle.ready();
            }
        }
    });

    let reviewed = publisher.clone();
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(REVIEW);
        loop {
            ticks.tick().await;
            reviewed.review().await;
        }
    });

    let mut server = ServerConfig::default();
    server.transport.max_connection_age = max_connection_age;
    server.drained_prefix = pilot_view::INBOUND_CLUSTERS.into();
    let shutdown = CancellationToken::new();
    let hold = drain.hold("xDS streams");
    let cancel = shutdown.clone();
    let signaled = hold.signaled();
    tokio::spawn(async move {
        signaled.await;
        cancel.cancel();
    });
    let source = Arc::new(publisher.clone());
    let ads = AdsService::new(&server, source, xds.clone());
    let services = Services::default().with_streams(ads.clone());
    tokio::spawn(async move {
        let served = serve_connections(server.transport, Security::Plaintext, services, listener, shutdown);
        if let Err(error) = served.await {
            tracing::error!(%error, "the xDS server stopped");
        }
        drop(hold);
    });
    let mut inquiries = None;
    if let Some((status, kubeconfig)) = status {
        let sources = Sources {
            meshes: mesh_receiver.clone(),
            reports: report.clone(),
            published: published_receiver.clone(),
            progress: Arc::new(Proxies::new(publisher.clone(), xds.clone())),
        };
        let client = pilot_ingest::connect(kubeconfig.as_deref()).await?;
        let hold = drain.hold("the leader's lease");
        let end = CancellationToken::new();
        let cancel = end.clone();
        let signaled = hold.signaled();
        tokio::spawn(async move {
            signaled.await;
            cancel.cancel();
        });
        let (writer, all) = pilot_status::start(client, &namespace, status, sources, end);
        inquiries = Some(all);
        tokio::spawn(async move {
            // Whatever the outcome, there is nothing left to wait for.
            let _ = writer.await;
            drop(hold);
        });
    }
    Ok(Pilot {
        publisher,
        xds,
        ads,
        grpc_address,
        mesh: mesh_receiver,
        report,
        published: published_receiver,
        events,
        triggers,
        inquiries,
    })
}
