//! Endpoints in other networks that nobody reaches, or not as their author may think.

use super::{Found, scope::Scope};
use mesh_model::{
    ClientTls, Endpoint, EndpointAddress, Kind, ObjectRef, Problem, Reason, Registry, Service, Severity, Way,
};
use std::collections::BTreeSet;

/// Endpoints of a service that have no way to them from the cluster's own network, or one by mTLS alone that they do not take.
pub(super) fn check_networks(scope: &Scope<'_>, service: &Service, found: &mut Found) {
    let config = scope.config();
    let Some(endpoints) = scope.endpoints(service) else { return };
    let asks = scope.rules(&service.host).into_iter().find_map(|rule| {
        let by_port = rule.policy.ports.values().map(|policy| policy.tls.as_ref());
        let subsets = rule.subsets.iter().map(|subset| subset.policy.tls.as_ref());
        let asked: Vec<_> = by_port.chain(subsets).chain([rule.policy.tls.as_ref()]).flatten().collect();
        match asked.iter().any(|tls| matches!(tls, ClientTls::Mesh { .. })) {
            true => Some(Asks::Mutual),
            false => (!asked.is_empty()).then(|| Asks::Otherwise(&rule.metadata.object)),
        }
    });
    let mut told = BTreeSet::new();
    for endpoint in endpoints.ports.values().flat_map(|endpoints| endpoints.iter()) {
        let network = &endpoint.network;
        let (severity, reason, message, hint) = match config.way_to(endpoint, &config.network) {
            Way::Direct => {
                let elsewhere = !network.is_empty() && *network != config.network;
                if config.networks.is_empty() || config.network.is_empty() || !elsewhere {
                    continue;
                }
                let message = format!(
                    "network `{network}` has no gateway: endpoints there are called at their own addresses"
                );
                (Severity::Info, Reason::NotFound, message, "name its gateways in meshNetworks")
            }
            Way::Nowhere if *network == config.network => {
                let message = format!(
                    "clients in network `{network}`, in which this cluster is, need an address to get there"
                );
                (Severity::Warning, Reason::Required, message, "give it an `address`")
            }
            Way::Nowhere => {
                let message = format!("network `{network}` has no gateway, and there is no address to call");
                (Severity::Warning, Reason::NotFound, message, "name its gateways in meshNetworks")
            }
            Way::Gateways(_) if matches!(asks, Some(Asks::Mutual)) => continue,
            Way::Gateways(_) if let Some(Asks::Otherwise(rule)) = asks => {
                let message = format!(
                    "the gateways of network `{network}` pass on mTLS alone, and {rule} has it called in another way: it gets no requests from elsewhere"
                );
                let hint = "let the DestinationRule say `tls: {mode: ISTIO_MUTUAL}`, or nothing of TLS";
                (Severity::Warning, Reason::Conflict, message, hint)
            }
            Way::Gateways(_) if service.external => {
                let message = format!(
                    "the gateways of network `{network}` pass on mTLS alone, which services outside the mesh are not called by"
                );
                let hint =
                    "write `location: MESH_INTERNAL`, or a DestinationRule with `tls: {mode: ISTIO_MUTUAL}`";
                (Severity::Warning, Reason::Conflict, message, hint)
            }
            Way::Gateways(_) if !endpoint.mtls => {
                let message = format!(
                    "the gateways of network `{network}` pass on mTLS alone, which this does not say it takes: it gets no requests from elsewhere"
                );
                let hint = "label it security.istio.io/tlsMode: istio, or write a DestinationRule with `tls: {mode: ISTIO_MUTUAL}`";
                (Severity::Warning, Reason::Required, message, hint)
            }
            Way::Gateways(_) => continue,
        };
        let (object, path) = author(service, endpoint);
        if told.insert((object.clone(), message.clone())) {
            found.add(&object, Problem::new(severity, reason, path, message).hint(hint));
        }
    }
}

/// How DestinationRules have a service called.
#[derive(Clone, Copy)]
enum Asks<'a> {
    Mutual,
    Otherwise(&'a ObjectRef),
}

/// Who says where an endpoint is.
fn author(service: &Service, endpoint: &Endpoint) -> (ObjectRef, &'static str) {
    let of_workload = |kind| ObjectRef::new(kind, endpoint.namespace.clone(), endpoint.workload.clone());
    match (service.registry, endpoint.workload.is_empty()) {
        // A pod has an address, and what is selected without one is a WorkloadEntry.
        (_, false) if endpoint.address == EndpointAddress::BehindGateway => {
            (of_workload(Kind::WorkloadEntry), "spec.network")
        }
        (Registry::External, true) => (service.metadata.object.clone(), "spec.endpoints"),
        (Registry::External | Registry::Kubernetes, _) => (service.metadata.object.clone(), "spec"),
    }
}
