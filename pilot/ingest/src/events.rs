//! Counts of what the sources say: events of the API server, and objects that mean something else than before.
//!
//! In: what the store finds. Out: counters for whoever owns a metrics registry, and why the next mesh differs ([`Causes`]). Nothing here
//! is per client: an edit is counted once.

use crate::kinds::KINDS;
use mesh_model::Kind;
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU64, Ordering},
};

/// What became of an object of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// It is new.
    Add,
    /// It differs.
    Update,
    /// It was said again, as it was.
    UpdateSame,
    /// It is gone.
    Delete,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Add, Self::Update, Self::UpdateSame, Self::Delete];

    /// As Istio's metrics call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Update => "update",
            Self::UpdateSame => "updatesame",
            Self::Delete => "delete",
        }
    }
}

/// What an object that differs is to the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inbound {
    /// Configuration.
    Config,
    /// Endpoints.
    Endpoints,
    /// A service.
    Service,
    /// A service that is gone.
    ServiceGone,
}

impl Inbound {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Config, Self::Endpoints, Self::Service, Self::ServiceGone];

    /// As Istio's metrics call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Endpoints => "eds",
            Self::Service => "svc",
            Self::ServiceGone => "svcdelete",
        }
    }
}

/// Why proxies are told something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Endpoints, or workloads that are some.
    Endpoint,
    /// Rules.
    Config,
    /// Services.
    Service,
    /// The settings of the mesh.
    Global,
    /// Secrets.
    Secret,
    /// Namespaces.
    Namespace,
}

impl Cause {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Endpoint, Self::Config, Self::Service, Self::Global, Self::Secret, Self::Namespace];

    /// As Istio's metrics call it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Endpoint => "endpoint",
            Self::Config => "config",
            Self::Service => "service",
            Self::Global => "global",
            Self::Secret => "secret",
            Self::Namespace => "namespace",
        }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::Service | Kind::ServiceEntry => Self::Service,
            // Nodes say where endpoints are.
            Kind::EndpointSlice | Kind::Pod | Kind::WorkloadEntry | Kind::Deployment | Kind::Node => {
                Self::Endpoint
            }
            Kind::VirtualService
            | Kind::DestinationRule
            | Kind::Sidecar
            | Kind::PeerAuthentication
            | Kind::ProxyConfig
            | Kind::WorkloadGroup => Self::Config,
            Kind::MeshConfig => Self::Global,
            // Istio's metrics have one word for both.
            Kind::Secret | Kind::ConfigMap => Self::Secret,
            Kind::Namespace => Self::Namespace,
        }
    }
}

/// How many objects of each cause made a mesh another one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Causes([u64; Cause::ALL.len()]);

impl Causes {
    /// How many there are of a cause.
    pub fn of(&self, cause: Cause) -> u64 {
        self.0[cause as usize]
    }

    pub(crate) fn add(&mut self, cause: Cause) {
        self.0[cause as usize] += 1;
    }
}

/// The counters.
#[derive(Debug)]
pub struct Events {
    cluster: BTreeMap<Kind, [AtomicU64; Event::ALL.len()]>,
    inbound: [AtomicU64; Inbound::ALL.len()],
}

impl Default for Events {
    fn default() -> Self {
        let cluster = KINDS.iter().map(|row| (row.kind, Default::default())).collect();
        Self { cluster, inbound: Default::default() }
    }
}

impl Events {
    /// Events of the API server about objects of a kind.
    pub fn cluster(&self, kind: Kind, event: Event) -> u64 {
        self.cluster.get(&kind).map_or(0, |events| events[event as usize].load(Ordering::Relaxed))
    }

    /// Objects, wherever they come from, that mean something else than before.
    pub fn inbound(&self, what: Inbound) -> u64 {
        self.inbound[what as usize].load(Ordering::Relaxed)
    }

    /// Notes an event of the API server.
    pub(crate) fn came(&self, kind: Kind, event: Event) {
        if let Some(events) = self.cluster.get(&kind) {
            events[event as usize].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Notes that an object of this kind means something else than before. Returns what that is a cause of.
    pub(crate) fn differs(&self, kind: Kind, gone: bool) -> Cause {
        let cause = Cause::of(kind);
        let what = match cause {
            Cause::Service if gone => Inbound::ServiceGone,
            Cause::Service => Inbound::Service,
            Cause::Endpoint => Inbound::Endpoints,
            Cause::Config | Cause::Global | Cause::Secret | Cause::Namespace => Inbound::Config,
        };
        self.inbound[what as usize].fetch_add(1, Ordering::Relaxed);
        cause
    }
}
