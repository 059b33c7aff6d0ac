//! Names of things: strings, objects and where they came from.

use serde::Serialize;
use std::{collections::BTreeMap, fmt, sync::Arc};

/// A shared, immutable string. Cloning costs a reference count.
pub type Str = Arc<str>;

/// Labels of a workload, or a selector over them: every pair of the selector must be present.
pub type Labels = BTreeMap<Str, Str>;

/// The kinds of object that Meltemi reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // The names are the kinds' own.
pub enum Kind {
    VirtualService,
    DestinationRule,
    ServiceEntry,
    WorkloadEntry,
    WorkloadGroup,
    Sidecar,
    ProxyConfig,
    PeerAuthentication,
    Service,
    EndpointSlice,
    Pod,
    Node,
    Namespace,
    Deployment,
    MeshConfig,
    /// Any ConfigMap but the one with mesh settings.
    ConfigMap,
    Secret,
}

impl Kind {
    /// The kind as written in YAML (`kind:`). Mesh settings live in a `ConfigMap`.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::VirtualService => "VirtualService",
            Kind::DestinationRule => "DestinationRule",
            Kind::ServiceEntry => "ServiceEntry",
            Kind::WorkloadEntry => "WorkloadEntry",
            Kind::WorkloadGroup => "WorkloadGroup",
            Kind::Sidecar => "Sidecar",
            Kind::ProxyConfig => "ProxyConfig",
            Kind::PeerAuthentication => "PeerAuthentication",
            Kind::Service => "Service",
            Kind::EndpointSlice => "EndpointSlice",
            Kind::Pod => "Pod",
            Kind::Node => "Node",
            Kind::Namespace => "Namespace",
            Kind::Deployment => "Deployment",
            Kind::MeshConfig | Kind::ConfigMap => "ConfigMap",
            Kind::Secret => "Secret",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name within a namespace; `namespace` is empty for cluster-scoped objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct NamespacedName {
    /// `metadata.namespace`.
    pub namespace: Str,
    /// `metadata.name`.
    pub name: Str,
}

impl NamespacedName {
    /// The name `name` in `namespace`.
    pub fn new(namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for NamespacedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// One object of the user's: what problems, statuses and rejections are reported on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ObjectRef {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub name: NamespacedName,
}

impl ObjectRef {
    /// The object `kind` `namespace`/`name`.
    pub fn new(kind: Kind, namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { kind, name: NamespacedName::new(namespace, name) }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}

/// Where an object was read from, for messages to its author.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Source {
    /// The Kubernetes API server.
    Cluster,
    /// A file: path as the user gave it, and the line on which the object's document begins (1-based).
    File {
        /// Path relative to the directory that was loaded, or as given.
        path: Str,
        /// First line of the document.
        line: u32,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Cluster => f.write_str("cluster"),
            Source::File { path, line } => write!(f, "{path}:{line}"),
        }
    }
}

/// What every configuration object carries besides its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Metadata {
    /// The object itself.
    pub object: ObjectRef,
    /// `metadata.creationTimestamp` in seconds since 1970, 0 when unknown (files). Older wins conflicts.
    pub created: i64,
}

impl Metadata {
    /// The namespace of the object.
    pub fn namespace(&self) -> &Str {
        &self.object.name.namespace
    }

    /// Order of precedence among objects that claim the same thing: oldest first, then by namespace and name.
    pub fn precedence(&self) -> (i64, &NamespacedName) {
        (self.created, &self.object.name)
    }
}

/// Region, zone and sub-zone, Envoy's `core.v3.Locality`. Empty parts are unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Locality {
    pub region: Str,
    pub zone: Str,
    pub sub_zone: Str,
}

impl Locality {
    /// Parses Istio's `region/zone/sub-zone`; missing parts are empty.
    pub fn parse(text: &str) -> Self {
        let mut parts = text.splitn(3, '/').map(Str::from);
        let mut next = || parts.next().unwrap_or_default();
        Self { region: next(), zone: next(), sub_zone: next() }
    }
}
