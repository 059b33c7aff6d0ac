//! Which endpoints of a service clients may be sent to.
//!
//! In: a service, a place and a port. Out: its endpoints without those that are going away, that are on other nodes where only the client's own
//! counts, and without the second address of a pod that has one of each version of IP.

use super::ServiceContext;
use crate::{Families, scope::Place};
use mesh_model::{
    Endpoint, EndpointAddress, Health, Mesh, NODE_LABEL, Service, ServicePort, Str, Subset, Vip,
};
use std::{collections::HashSet, net::IpAddr, sync::Arc};

/// See the module.
pub fn usable(context: &ServiceContext<'_>, place: &Place, port: &ServicePort) -> Arc<[Endpoint]> {
    let node = place.labels.get(NODE_LABEL).map_or("", |node| &**node);
    let usable = |endpoint: &Endpoint| {
        endpoint.health != Health::Draining && (!context.service.node_local || *endpoint.node == *node)
    };
    let all = context.scope.mesh.endpoints(context.service);
    let found = all.and_then(|endpoints| endpoints.ports.get(&port.number));
    let found = found.map_or_else(|| Arc::new([]) as Arc<[Endpoint]>, |endpoints| only(endpoints, usable));
    once_a_pod(found, speaks_ipv6(context.scope.key.families, context.service))
}

/// Clients of both versions call a service by its first address.
fn speaks_ipv6(families: Families, service: &Service) -> bool {
    match families {
        Families::V4 => false,
        Families::V6 => true,
        Families::Both => matches!(service.vips.first(), Some(Vip::Ip(IpAddr::V6(_)))),
    }
}

/// A pod with an address of each version has an EndpointSlice for each, and is one endpoint all the same: else it would be tried, ejected and
/// counted twice, and clients of one version be sent where they cannot go.
fn once_a_pod(endpoints: Arc<[Endpoint]>, ipv6: bool) -> Arc<[Endpoint]> {
    let is = |endpoint: &Endpoint, ipv6: bool| matches!(endpoint.address, EndpointAddress::Ip(ip) if ip.is_ipv6() == ipv6);
    let any = |ipv6: bool| endpoints.iter().any(|endpoint| is(endpoint, ipv6));
    if !(any(true) && any(false)) {
        return endpoints;
    }
    fn pod(endpoint: &Endpoint) -> (&Str, &Str) {
        (&endpoint.namespace, &endpoint.workload)
    }
    let spoken = endpoints.iter().filter(|endpoint| !endpoint.workload.is_empty() && is(endpoint, ipv6));
    let reached: HashSet<_> = spoken.map(pod).collect();
    let counts = |endpoint: &&Endpoint| is(endpoint, ipv6) || !reached.contains(&pod(endpoint));
    endpoints.iter().filter(counts).cloned().collect()
}

/// Those of a subset.
pub fn selected(subset: Option<&Subset>, all: &Arc<[Endpoint]>, mesh: &Mesh) -> Arc<[Endpoint]> {
    let cluster = &mesh.config().cluster;
    only(all, |endpoint| subset.is_none_or(|subset| endpoint.has_labels(&subset.labels, cluster)))
}

/// Those that are ready.
pub fn ready(all: &Arc<[Endpoint]>) -> Arc<[Endpoint]> {
    only(all, |endpoint| endpoint.health == Health::Healthy)
}

/// Those that are to be kept; where that is all of them, they stay shared.
fn only(all: &Arc<[Endpoint]>, keeps: impl Fn(&Endpoint) -> bool) -> Arc<[Endpoint]> {
    match all.iter().all(&keeps) {
        true => all.clone(),
        false => all.iter().filter(|endpoint| keeps(endpoint)).cloned().collect(),
    }
}
