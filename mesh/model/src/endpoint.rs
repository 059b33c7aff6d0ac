//! Endpoints: where a service's requests end up.

use crate::{EndpointAddress, Labels, Locality, Str};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

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
    /// Whether it accepts Istio mutual TLS (label `security.istio.io/tlsMode: istio`).
    pub mtls: bool,
}

/// All endpoints of one service, by service port number, each list sorted and without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ServiceEndpoints {
    /// Port number of the service -> its endpoints.
    pub ports: BTreeMap<u16, Arc<[Endpoint]>>,
}

impl ServiceEndpoints {
    /// The endpoints behind the service port `number`.
    pub fn on_port(&self, number: u16) -> &[Endpoint] {
        self.ports.get(&number).map_or(&[], |endpoints| endpoints)
    }
}
