//! Routes for connections that no port of a service ever hands them.

use super::{Found, scope::Scope};
use mesh_model::{ConnectionRoute, Problem, Protocol, Reason, Service, VirtualService};
use std::{collections::BTreeSet, sync::Arc};

impl Scope<'_> {
    /// Sidecars listen for connections only where services have ports, of a protocol that is not looked into.
    pub(super) fn check_connection_routes(&self, value: &VirtualService, found: &mut Found) {
        let VirtualService { tls, tcp, .. } = value;
        if !value.for_mesh() || (tls.is_empty() && tcp.is_empty()) {
            return;
        }
        let tls_ports = self.ports(value, |protocol| protocol.is_tls());
        let is_tcp = |protocol: Protocol| {
            !protocol.is_http() && !protocol.is_tls() && !matches!(protocol, Protocol::Udp)
        };
        let tcp_ports = self.ports(value, is_tcp);
        for (name, what, routes, ports) in
            [("spec.tls", "TLS or HTTPS", tls, tls_ports), ("spec.tcp", "TCP", tcp, tcp_ports)]
        {
            for wanted in routes.iter().flat_map(|route| unmet(route, &ports)) {
                let message = match wanted {
                    Some(port) => format!(
                        "no service of `hosts` has a port {port} that is declared as {what}, so a match takes no connections"
                    ),
                    None => format!(
                        "no service of `hosts` has a port that is declared as {what}, so a route takes no connections"
                    ),
                };
                let hint = "name the port so that its name begins with the protocol, or set its appProtocol";
                let problem = Problem::warning(Reason::NotFound, name, message);
                found.add(&value.metadata.object, problem.hint(hint));
            }
        }
    }

    /// The ports of its hosts' services that speak one of these protocols.
    fn ports(&self, value: &VirtualService, speaks: impl Fn(Protocol) -> bool) -> BTreeSet<u16> {
        let namespace = value.metadata.namespace();
        let mut services: Vec<&Arc<Service>> = Vec::new();
        for host in &value.hosts {
            match host.is_wildcard() {
                true => {
                    services.extend(self.services().filter(|service| host.overlaps(&service.host)));
                }
                false => services.extend(self.visible(host, namespace)),
            }
        }
        let ports = services.into_iter().flat_map(|service| &service.ports);
        ports.filter(|port| speaks(port.protocol)).map(|port| port.number).collect()
    }
}

/// The ports that `route` asks for and nobody has; `None` for any at all.
fn unmet(route: &ConnectionRoute, ports: &BTreeSet<u16>) -> BTreeSet<Option<u16>> {
    let ConnectionRoute { index: _, matches, destinations: _ } = route;
    let met = |wanted: &Option<u16>| wanted.map_or(!ports.is_empty(), |port| ports.contains(&port));
    let any = matches.is_empty().then_some(None);
    matches.iter().map(|condition| condition.port).chain(any).filter(|wanted| !met(wanted)).collect()
}
