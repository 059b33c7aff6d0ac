//! Which port of an endpoint a service's port leads to, and whether it is about to go.

use crate::kinds::{DRAINING_LABEL, InlineEndpoint};
use mesh_model::{Endpoint, EndpointAddress, Health, ServicePort, Workload};

/// As in Istio, what is labelled so is about to go: it gets no new requests, and keeps those that it has.
pub(super) fn leave(endpoint: &mut Endpoint) {
    if endpoint.labels.get(DRAINING_LABEL).is_some_and(|value| !value.is_empty()) {
        endpoint.health = Health::Draining;
    }
}

/// Where a service port leads on a pod.
pub fn pod_port(workload: &Workload, port: &ServicePort) -> Option<u16> {
    port.target.or_else(|| {
        workload.named_ports.iter().find(|(name, _)| *name == port.target_name).map(|(_, number)| *number)
    })
}

/// Where a service port leads on an endpoint that names ports itself. A Unix domain socket has none.
pub(super) fn entry_port(endpoint: &InlineEndpoint, port: &ServicePort) -> Option<u16> {
    if matches!(endpoint.address, EndpointAddress::Unix(_)) {
        return Some(0);
    }
    let named = endpoint.ports.get(&port.name).or_else(|| endpoint.ports.get(&port.target_name));
    match (named, port.target, port.target_name.is_empty()) {
        (Some(number), _, _) => Some(*number),
        (None, Some(number), _) => Some(number),
        (None, None, true) => Some(port.number),
        // The name of a container port that this workload does not have.
        (None, None, false) => None,
    }
}
