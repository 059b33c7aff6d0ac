//! Workloads: what a sidecar stands beside.

use crate::{Labels, Locality, ObjectRef, Probe, Protocol, Str};
use serde::Serialize;
use std::{net::IpAddr, sync::Arc};

/// A pod, or a WorkloadEntry, or a replica of a Deployment that runs on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Workload {
    /// The object it is known by: a Pod or a WorkloadEntry.
    pub object: ObjectRef,
    /// Its addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its service account.
    pub service_account: Str,
    /// Where it runs.
    pub locality: Locality,
    /// Network identifier; empty for the default one.
    pub network: Str,
    /// Kubernetes node name.
    pub node: Str,
    /// Named container ports, for Services whose `targetPort` is a name.
    pub named_ports: Vec<(Str, u16)>,
    /// Ready to serve.
    pub ready: bool,
    /// Accepts Istio mutual TLS.
    pub mtls: bool,
    /// Set when Meltemi itself runs the workload on this machine (`meltemi up`).
    pub local: Option<LocalWorkload>,
}

/// How a workload of the local mesh runs. Its pod address (`Workload::addresses[0]`) is where its Envoy listens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LocalWorkload {
    /// The loopback address on which the application itself listens, reached only by its own Envoy.
    pub application: IpAddr,
    /// The ports the application serves.
    pub ports: Vec<LocalPort>,
    /// What makes it ready, beside its Envoy; without any it is when its ports can be connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
}

/// A port of a local application.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LocalPort {
    /// Container port.
    pub number: u16,
    /// What it speaks, taken from the Service that selects it, otherwise from the port's name.
    pub protocol: Protocol,
}
