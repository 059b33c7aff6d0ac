//! What an agent does for the application besides identity and configuration: names, probes and metrics.
//!
//! In: what the injector tells of the application, and where the agent's own ports are. Out: the [`Parts`] of an agent, and a DNS proxy that
//! runs until it is told to end.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    Parts,
    dns::{self, DnsMetrics, Names, ResolvConf, Sockets, Upstream, Zone},
    envoy::Listen,
    health::Probe,
    metrics::{AgentMetrics, Application, Sources},
    probes::Probes,
    relay::Own,
};

/// The type of name tables.
const NAME_TABLE: &str = "type.googleapis.com/istio.networking.nds.v1.NameTable";

/// What there is to do for an application.
#[derive(Debug, Clone, Default)]
pub struct Extras {
    /// Its probes.
    pub probes: Option<Probes>,
    /// Its metrics.
    pub application: Option<Application>,
    /// Its DNS queries, if they are redirected to the agent.
    pub dns: Option<Dns>,
    /// How it is found out whether it is well, where no kubelet does.
    pub readiness: Option<Probe>,
    /// The SPIFFE Workload API that gives its certificate, if there is one.
    pub workload_api: Option<PathBuf>,
}

/// How DNS queries are answered.
#[derive(Debug, Clone)]
pub struct Dns {
    /// Where they come.
    pub listen: Vec<SocketAddr>,
    /// Where the workload stands among names.
    pub zone: Zone,
    /// The pod's own resolvers.
    pub resolv_conf: ResolvConf,
}

impl Extras {
    /// Starts what has to run, until `end`, and gives what the agent is to serve.
    ///
    /// # Errors
    /// When the system refuses an address for DNS.
    pub async fn start(self, listen: &Listen, end: &CancellationToken) -> io::Result<Parts> {
        let Self { probes, application, dns, readiness, workload_api } = self;
        let agent = Arc::new(AgentMetrics::default());
        let mut own = Vec::new();
        let sources = Sources { agent: agent.clone(), envoy: Some(listen.admin), application };
        let mut routes = sources.router();
        if let Some(probes) = probes {
            routes = routes.merge(probes.router());
        }
        if let Some(Dns { listen, zone, resolv_conf }) = dns {
            let names = Arc::new(Names::new(zone));
            let sockets = Sockets::bind(&listen).await?;
            let metrics = DnsMetrics::default();
            agent.register(|registry| metrics.register(registry));
            let upstream = Upstream::new(&resolv_conf, &sockets.addresses()?, metrics);
            tokio::spawn(dns::serve(sockets, names.clone(), upstream, end.clone()));
            own.push(Own::new(NAME_TABLE, names.clone()));
            routes = routes.merge(names.router());
        }
        let health = readiness.map(|probe| {
            let (known, health) = watch::channel(None);
            let end = end.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = probe.watch(known) => {}
                    () = end.cancelled() => {}
                }
            });
            health
        });
        Ok(Parts { routes, own, metrics: Some(agent), health, workload_api })
    }
}
