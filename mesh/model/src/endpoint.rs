//! Endpoints: where a service's requests end up.

use crate::{EndpointAddress, Labels, Locality, Str, locality_lb::place_label};
use serde::Serialize;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Whether an endpoint may be sent requests. Envoy's `core.v3.HealthStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Health {
    /// Ready.
    Healthy,
    /// Known and not ready.
    Unhealthy,
    /// Going away; no new requests.
    Draining,
}

/// One endpoint of one port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Endpoint {
    /// Where it is.
    pub address: EndpointAddress,
    /// The port it listens on; 0 for a Unix domain socket.
    pub port: u16,
    /// Relative share of requests within its locality, at least 1.
    pub weight: u32,
    /// Whether requests may go to it.
    pub health: Health,
    /// Where it runs.
    pub locality: Locality,
    /// Labels of its workload, which subsets select on.
    pub labels: Arc<Labels>,
    /// Kubernetes service account, or the WorkloadEntry's; empty when unknown.
    pub service_account: Str,
    /// Name of the pod or WorkloadEntry; empty when unknown.
    pub workload: Str,
    /// Namespace of the workload.
    pub namespace: Str,
    /// Network identifier; empty for the default network.
    pub network: Str,
    /// Kubernetes node name; empty when unknown.
    pub node: Str,
    /// Its own name below that of its headless service, as EndpointSlices give it; empty when it has none.
    pub hostname: Str,
    /// Whether it accepts Istio mutual TLS: its label says so (`security.istio.io/tlsMode: istio`), and no PeerAuthentication forbids
    /// it on this port.
    pub mtls: bool,
}

impl Endpoint {
    /// The value of a label, of those too that tell where it runs, in the cluster `cluster`. Where it runs is better known than what labels
    /// say (Istio's `AugmentLabels`).
    pub fn label<'a>(&'a self, name: &str, cluster: &'a Str) -> Option<&'a Str> {
        let known = place_label(name, &self.locality, &self.network, Some(&self.node), cluster);
        known.or_else(|| self.labels.get(name))
    }

    /// Whether it has all of `labels`.
    pub fn has_labels(&self, labels: &Labels, cluster: &Str) -> bool {
        labels.iter().all(|(name, value)| self.label(name, cluster) == Some(value))
    }
}

/// All endpoints of one service, by service port number, each list sorted and without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ServiceEndpoints {
    /// Port number of the service -> its endpoints.
    pub ports: BTreeMap<u16, Arc<[Endpoint]>>,
    /// The same -> who they are.
    identities: BTreeMap<u16, Identities>,
}

/// Who is behind a port of a service: what its clusters depend on, where its endpoints may come and go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Identities {
    /// Whether any endpoint accepts mutual TLS.
    pub any_mtls: bool,
    /// Whether all do, and there are some.
    pub all_mtls: bool,
    /// Namespaces and service accounts, as far as they are known.
    pub accounts: BTreeSet<(Str, Str)>,
}

impl Identities {
    fn of(endpoints: &[Endpoint]) -> Self {
        let known = endpoints.iter().filter(|endpoint| !endpoint.service_account.is_empty());
        Self {
            any_mtls: endpoints.iter().any(|endpoint| endpoint.mtls),
            all_mtls: !endpoints.is_empty() && endpoints.iter().all(|endpoint| endpoint.mtls),
            accounts: known
                .map(|endpoint| (endpoint.namespace.clone(), endpoint.service_account.clone()))
                .collect(),
        }
    }
}

impl ServiceEndpoints {
    /// These endpoints.
    pub fn new(ports: BTreeMap<u16, Arc<[Endpoint]>>) -> Self {
        let identities = ports.iter().map(|(number, all)| (*number, Identities::of(all))).collect();
        Self { ports, identities }
    }

    /// Who is behind the service port `number`.
    pub fn identities(&self, number: u16) -> Option<&Identities> {
        self.identities.get(&number)
    }

    /// Whether the same workloads are there, wherever their endpoints are.
    pub fn has_same_identities(&self, other: &Self) -> bool {
        self.identities == other.identities
    }

    /// The endpoints behind the service port `number`.
    pub fn on_port(&self, number: u16) -> &[Endpoint] {
        self.ports.get(&number).map_or(&[], |endpoints| endpoints)
    }
}
