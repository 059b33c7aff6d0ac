//! Matches that ask for what the VirtualService's hosts, gateways or clients rule out, and ports that destinations lack.

use super::{Found, Reference, scope::Scope};
use crate::names::label_fault;
use mesh_model::{
    Destination, Host, HttpMatch, Kind, ObjectRef, Problem, Protocol, Reason, Service, UNKNOWN_HOSTS_PORT,
    VirtualService,
};
use std::{collections::BTreeSet, sync::Arc};

impl Scope<'_> {
    /// Matches that no request meets, whatever it is like.
    pub(super) fn check_matches(&self, value: &VirtualService, found: &mut Found) {
        let ports = self.called_at(value);
        let gateways = &value.gateways;
        for route in value.http.iter().filter(|route| route.delegate.is_none()) {
            for wanted in &route.matches {
                let HttpMatch { index, port, source_namespace, gateways: only_at, .. } = wanted;
                let mut tell = |field: &str, message: String, hint: String| {
                    let path = format!("spec.http[{}].match[{index}].{field}", route.index);
                    let problem = Problem::warning(Reason::Unreachable, path, message);
                    found.add(&value.metadata.object, problem.hint(hint));
                };
                // The ports of a gateway are its own.
                let at = if only_at.is_empty() { gateways } else { only_at };
                let ports = ports.as_ref().filter(|_| at.iter().all(|name| &**name == "mesh"));
                if let Some(ports) = ports
                    && let Some(port) = port.filter(|port| !ports.contains(port))
                {
                    let known: Vec<String> = ports.iter().map(u16::to_string).collect();
                    let message = format!("no service of `hosts` has a port {port}");
                    tell("port", message, format!("write {}", known.join(" or ")));
                }
                if let Some(namespace) = source_namespace.as_ref()
                    && !value.export_to.includes(namespace)
                    // That nobody is in such a namespace has been said.
                    && label_fault(namespace).is_none()
                {
                    let message = format!("`exportTo` keeps this from clients of namespace {namespace}");
                    let hint = format!("add {namespace} to `exportTo`, or leave the match out");
                    tell("sourceNamespace", message, hint);
                }
                if !only_at.is_empty() && !only_at.iter().any(|name| gateways.contains(name)) {
                    let message = "none of these is among the gateways of this VirtualService";
                    tell("gateways", message.to_owned(), format!("write {}", gateways.join(" or ")));
                }
            }
        }
    }

    /// The ports at which requests to its hosts are routed; `None` where a wildcard may stand for services still to come.
    fn called_at(&self, value: &VirtualService) -> Option<BTreeSet<u16>> {
        let mut ports = BTreeSet::new();
        for host in &value.hosts {
            let services = match host.is_wildcard() {
                true => return None,
                false => self.visible(host, value.metadata.namespace()),
            };
            ports.extend(services.iter().flat_map(|service| &service.ports).map(|port| port.number));
            if services.is_empty() || services.iter().any(|service| service.alias_of().is_some()) {
                ports.insert(UNKNOWN_HOSTS_PORT);
            }
        }
        Some(ports)
    }

    /// The ports that clients may call its hosts at; none when no service is known, as of hosts that only routes know.
    fn ports_of_hosts(&self, value: &VirtualService) -> BTreeSet<(u16, Protocol)> {
        let mut ports = BTreeSet::new();
        for host in &value.hosts {
            // A wildcard may stand for services still to come.
            let services = match host.is_wildcard() {
                true => Vec::new(),
                false => self.visible(host, value.metadata.namespace()),
            };
            if services.is_empty() {
                return BTreeSet::new();
            }
            let of_host = services.iter().flat_map(|service| &service.ports);
            ports.extend(of_host.map(|port| (port.number, port.protocol)));
        }
        ports
    }

    /// A destination without a port gets requests on the port that was called, unless it has only one.
    pub(super) fn check_ports(
        &self,
        object: &ObjectRef,
        reference: &Reference,
        services: &[&Arc<Service>],
        found: &mut Found,
    ) {
        let Reference { path, to: Destination { host, subset: _, port: _ } } = reference;
        // Connections find their way by matches of their own.
        if object.kind != Kind::VirtualService
            || !path.starts_with("spec.http[")
            || services.iter().any(|service| service.ports.len() < 2)
        {
            return;
        }
        let Some(value) = self.virtual_service(&object.name) else { return };
        let has = |number: &u16| services.iter().any(|service| service.port(*number).is_some());
        let called = self.called_ports(value, path);
        let Some(missing) = called.iter().find(|number| !has(number)) else { return };
        let known: BTreeSet<u16> =
            services.iter().flat_map(|service| &service.ports).map(|port| port.number).collect();
        let known: Vec<String> = known.iter().map(u16::to_string).collect();
        let message =
            format!("{host} has several ports and none with the number {missing} that clients call here");
        let problem = Problem::error(Reason::NotFound, format!("{path}.port"), message);
        found.add(
            object,
            problem.hint(format!("write port: {{number: ..}} with one of {}", known.join(", "))),
        );
    }

    /// The ports that a route with something at `path` is asked at.
    fn called_ports(&self, value: &VirtualService, path: &str) -> BTreeSet<u16> {
        let ports = self.ports_of_hosts(value).into_iter();
        let requests = |protocol: Protocol| protocol.is_http() || protocol == Protocol::Auto;
        let ports: BTreeSet<u16> =
            ports.filter(|(_, protocol)| requests(*protocol)).map(|(number, _)| number).collect();
        let route = value.http.iter().find(|route| {
            route.delegate.is_none() && path.starts_with(&format!("spec.http[{}].", route.index))
        });
        let matches = route.map(|route| route.matches.as_slice()).unwrap_or_default();
        let asked: Option<BTreeSet<u16>> = matches.iter().map(|wanted| wanted.port).collect();
        match asked.filter(|asked| !asked.is_empty()) {
            Some(asked) => ports.intersection(&asked).copied().collect(),
            None => ports,
        }
    }
}

/// Ports that a rule has settings for and that no service of its host has.
pub(super) fn missing_ports(wanted: &BTreeSet<u16>, services: &[&Arc<Service>], host: &Host) -> Vec<Problem> {
    let missing =
        wanted.iter().filter(|number| services.iter().all(|service| service.port(**number).is_none()));
    let known: BTreeSet<u16> =
        services.iter().flat_map(|service| &service.ports).map(|port| port.number).collect();
    let known: Vec<String> = known.iter().map(u16::to_string).collect();
    let problem = |number: &u16| {
        let message = format!("{host} has no port {number}, so these settings have no effect");
        Problem::warning(Reason::NotFound, "spec.trafficPolicy.portLevelSettings", message)
            .hint(format!("its ports are {}", known.join(", ")))
    };
    missing.map(problem).collect()
}
