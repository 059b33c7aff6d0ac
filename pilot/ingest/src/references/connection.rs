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
            for (path, wanted) in routes.iter().flat_map(|route| unmet(route, &ports)) {
                let message = match wanted {
                    Some(port) => format!(
                        "no service of `hosts` has a port {port} that is declared as {what}, so a match takes no connections"
                    ),
                    None => format!(
                        "no service of `hosts` has a port that is declared as {what}, so a route takes no connections"
                    ),
                };
                let hint = "name the port so that its name begins with the protocol, or set its appProtocol";
                let problem = Problem::warning(Reason::NotFound, format!("{name}{path}"), message);
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

/// The ports that `route` asks for and nobody has, each with its place; `None` for any at all.
fn unmet(route: &ConnectionRoute, ports: &BTreeSet<u16>) -> Vec<(String, Option<u16>)> {
    let ConnectionRoute { index, matches, destinations: _ } = route;
    if ports.is_empty() && matches.iter().all(|condition| condition.port.is_none()) {
        return vec![(format!("[{index}]"), None)];
    }
    let unmet = matches.iter().filter(|condition| match condition.port {
        Some(port) => !ports.contains(&port),
        None => ports.is_empty(),
    });
    unmet.map(|condition| (format!("[{index}].match[{}]", condition.index), condition.port)).collect()
}
