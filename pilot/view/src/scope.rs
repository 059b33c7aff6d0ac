//! Scopes: what outbound configuration depends on besides the mesh.

use crate::{Capture, Proxy, inbound::own_ports};
use mesh_model::{ExportTo, Host, Labels, Mesh, NamespacedName, OutboundPolicy, Sidecar, Str};
use std::{collections::BTreeSet, sync::Arc};

/// Proxies with equal keys have the same outbound configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ScopeKey {
    /// The clients' namespace.
    pub namespace: Str,
    /// Those of the clients' labels that some VirtualService's `sourceLabels` looks at.
    pub labels: Labels,
    /// The Sidecar that applies.
    pub sidecar: Option<NamespacedName>,
    /// How traffic gets to the proxies.
    pub capture: Capture,
    /// Ports at which the workloads themselves are reached, where their proxies listen on them (capture none).
    pub own_ports: BTreeSet<u16>,
}

impl ScopeKey {
    /// The scope that `proxy` is in.
    pub fn of(mesh: &Mesh, proxy: &Proxy) -> Self {
        let labels =
            mesh.source_label_keys().filter_map(|key| Some((key.clone(), proxy.labels.get(key)?.clone())));
        Self {
            namespace: proxy.namespace.clone(),
            labels: labels.collect(),
            sidecar: mesh
                .sidecar_for(&proxy.namespace, &proxy.labels)
                .map(|sidecar| sidecar.metadata.object.name.clone()),
            capture: proxy.capture.clone(),
            own_ports: own_ports(mesh, proxy),
        }
    }
}

/// A scope over a mesh: the questions that derivation asks.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The mesh.
    pub mesh: &'a Mesh,
    /// The scope.
    pub key: &'a ScopeKey,
    sidecar: Option<Arc<Sidecar>>,
}

impl<'a> Scope<'a> {
    /// The scope `key` over `mesh`.
    pub fn new(mesh: &'a Mesh, key: &'a ScopeKey) -> Self {
        let sidecar = key.sidecar.as_ref().and_then(|name| mesh.sidecar(name)).cloned();
        Self { mesh, key, sidecar }
    }

    /// Whether clients of this scope see what the object of `namespace` says about `host`.
    pub fn sees(&self, namespace: &str, host: &Host, export_to: &ExportTo) -> bool {
        export_to.includes(&self.key.namespace)
            && self
                .sidecar
                .as_ref()
                .is_none_or(|sidecar| sidecar.imports(&self.key.namespace, namespace, host))
    }

    /// Whether a Sidecar limits what is seen.
    pub fn has_sidecar(&self) -> bool {
        self.sidecar.is_some()
    }

    /// What happens to traffic for unknown destinations.
    pub fn outbound_policy(&self) -> OutboundPolicy {
        let own = self.sidecar.as_ref().and_then(|sidecar| sidecar.outbound_policy);
        own.unwrap_or(self.mesh.config().outbound_policy)
    }
}
