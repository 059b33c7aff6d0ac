//! Sidecar: what a workload's proxy may see.

use crate::{Host, Labels, Metadata, OutboundPolicy, Str};
use serde::Serialize;

/// Istio's Sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Sidecar {
    /// The object.
    pub metadata: Metadata,
    /// Workloads of its namespace that it applies to; `None`: all of them.
    pub selector: Option<Labels>,
    /// What is visible. Empty: everything (as Istio when `egress` is left out).
    pub egress: Vec<SidecarEgress>,
    /// Overrides the mesh's policy for unknown destinations.
    pub outbound_policy: Option<OutboundPolicy>,
}

/// One `egress` entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SidecarEgress {
    /// The services it imports, in the object's order.
    pub hosts: Vec<EgressHost>,
}

/// One `namespace/dnsName` of `egress.hosts`, short forms resolved.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct EgressHost {
    /// Whose. `~/…` (nobody's) is dropped by ingest.
    pub namespace: EgressNamespace,
    /// The host, possibly a wildcard.
    pub host: Host,
}

/// The namespaces that an `egress.hosts` entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum EgressNamespace {
    /// `*`: any.
    Any,
    /// `.`: the workload's own, which is not the Sidecar's when that is the root namespace's default.
    Own,
    /// This one.
    Named(Str),
}

impl EgressHost {
    /// The namespace whose services clients of namespace `client` import by this; `None` for any.
    pub fn namespace_for<'a>(&'a self, client: &'a str) -> Option<&'a str> {
        match &self.namespace {
            EgressNamespace::Any => None,
            EgressNamespace::Own => Some(client),
            EgressNamespace::Named(name) => Some(name),
        }
    }
}

impl Sidecar {
    /// Whether clients of namespace `client` import the service or virtual service `host` of `namespace`.
    pub fn imports(&self, client: &str, namespace: &str, host: &Host) -> bool {
        self.egress.is_empty()
            || self.egress.iter().flat_map(|egress| &egress.hosts).any(|egress| {
                egress.namespace_for(client).is_none_or(|wanted| wanted == namespace)
                    && egress.host.overlaps(host)
            })
    }
}
