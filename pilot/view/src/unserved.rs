//! Hosts on ports that no service of that name answers on, and that a VirtualService routes all the same.
//!
//! As in Istio, such a host has a virtual host on each port for requests that a service has which the same VirtualService is about, and on
//! port 80. What is only another name of a service counts as one without ports here, once a VirtualService is about that name.

use crate::{
    Capture, Scope, domains,
    outbound::{concerns, has_own_routes, routes_requests},
};
use mesh_model::{Host, Protocol, Service, ServicePort, Str, Traffic, UNKNOWN_HOSTS_PORT, VirtualService};
use std::{collections::BTreeSet, sync::Arc};

/// The ports on which requests for exactly `host` go where a VirtualService says and no service of that name answers, with the one that says
/// so: some route of it concerns these clients.
pub fn routed<'a>(scope: &Scope<'a>, host: &Host) -> Vec<(u16, &'a Arc<VirtualService>)> {
    let values = scope.virtual_services_exactly(host, host, Traffic::Http);
    let offered: Vec<_> = values.iter().map(|value| offered(scope, value)).collect();
    let ports: BTreeSet<u16> = offered.iter().flat_map(|ports| ports.iter().copied()).collect();
    let ports = ports.into_iter().filter(|port| !scope.serves_below(host, *port));
    ports.filter_map(|port| Some((port, first(scope, &values, port)?))).collect()
}

/// The VirtualService that says where they go on `port`; `None`: none that concerns these clients.
pub fn decides<'a>(scope: &Scope<'a>, host: &Host, port: u16) -> Option<&'a Arc<VirtualService>> {
    let value = first(scope, &scope.virtual_services_exactly(host, host, Traffic::Http), port)?;
    (!scope.serves_below(host, port)).then_some(value)
}

fn first<'a>(
    scope: &Scope<'_>,
    values: &[&'a Arc<VirtualService>],
    port: u16,
) -> Option<&'a Arc<VirtualService>> {
    let mut values = values.iter().filter(|value| concerns(scope, port, value));
    values.find(|value| port == UNKNOWN_HOSTS_PORT || offered(scope, value).contains(&port)).copied()
}

/// The domains of its virtual host.
pub fn domains(scope: &Scope<'_>, host: &Host) -> Vec<Str> {
    let mut domains = domains::of_host(host);
    if let Some(alias) = scope.service(host).filter(|service| service.alias_of().is_some()) {
        domains.extend(domains::short_names(scope, alias));
    }
    domains
}

/// The ports on which `value` routes its hosts, as far as no service of their names answers there.
fn offered(scope: &Scope<'_>, value: &VirtualService) -> Arc<BTreeSet<u16>> {
    let name = &value.metadata.object.name;
    if let Some(known) = scope.routed_ports.borrow().get(name) {
        return known.clone();
    }
    let mut ports = BTreeSet::from([UNKNOWN_HOSTS_PORT]);
    let mut add = |service: &Service| {
        let routed = service.ports.iter().filter(|port| has_shared_routes(scope, service, port));
        ports.extend(routed.map(|port| port.number));
    };
    for named in &value.hosts {
        if named.is_wildcard() {
            let below = scope.mesh.services().filter(|service| named.covers(&service.host));
            below.filter(|service| scope.sees_service(service)).for_each(|service| add(service));
        } else {
            scope.service(named).into_iter().for_each(|service| add(service));
        }
    }
    let ports = Arc::new(ports);
    scope.routed_ports.borrow_mut().insert(name.clone(), ports.clone());
    ports
}

/// Whether requests for `port` are told apart by their hosts from those for other services.
fn has_shared_routes(scope: &Scope<'_>, service: &Service, port: &ServicePort) -> bool {
    let alone = scope.key.capture == Capture::Redirect
        && port.protocol == Protocol::Auto
        && has_own_routes(scope, service);
    routes_requests(port) && !alone
}
