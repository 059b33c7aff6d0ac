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
    /// The namespace, `None` for `*`. `~/…` (none at all) is dropped by ingest.
    pub namespace: Option<Str>,
    /// The host, possibly a wildcard.
    pub host: Host,
}

impl Sidecar {
    /// Whether the service or virtual service `host` of `namespace` is imported.
    pub fn imports(&self, namespace: &str, host: &Host) -> bool {
        self.egress.is_empty()
            || self.egress.iter().flat_map(|egress| &egress.hosts).any(|egress| {
                egress.namespace.as_deref().is_none_or(|wanted| wanted == namespace)
                    && egress.host.overlaps(host)
            })
    }
}
