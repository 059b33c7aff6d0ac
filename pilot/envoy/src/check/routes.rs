//! Virtual hosts: which route configuration they belong to, and whose domains they claim.

use super::references::Named;
use super::{Findings, Held, Problem};
use crate::envoy::route::{RouteConfiguration, VirtualHost};
use pilot_xds::resource::ResourceType;
use std::collections::BTreeMap;

pub(super) fn check(held: &Held<'_>, found: &mut Findings) {
    for (kind, name, configuration) in &held.routes {
        let inside = configuration.virtual_hosts.iter();
        // Envoy hands each virtual host to the route configuration whose name its own begins with.
        let over_vhds = held.virtual_hosts.iter();
        let over_vhds = over_vhds.filter(|(host, _)| configuration.vhds.is_some() && belongs(host, name));
        for problem in duplicate_domains(inside.chain(over_vhds.map(|(_, host)| host))) {
            found.add(*kind, name, problem);
        }
    }
    for (name, listener) in &held.listeners {
        for configuration in Named::of_listener(listener).inline {
            for problem in duplicate_domains(configuration.virtual_hosts.iter()) {
                found.add(ResourceType::Listener, name, problem);
            }
        }
    }
    for (name, _) in &held.virtual_hosts {
        let takes = |configuration: &RouteConfiguration| {
            configuration.vhds.is_some() && belongs(name, &configuration.name)
        };
        if !held.routes.iter().any(|(_, _, configuration)| takes(configuration)) {
            let configuration = name.rsplit_once('/').map_or(*name, |(configuration, _)| configuration);
            let problem = Problem::NoRouteConfiguration(configuration.to_owned());
            found.add(ResourceType::VirtualHost, name, problem);
        }
    }
}

fn belongs(virtual_host: &str, configuration: &str) -> bool {
    virtual_host.strip_prefix(configuration).is_some_and(|rest| rest.starts_with('/'))
}

fn duplicate_domains<'a>(hosts: impl Iterator<Item = &'a VirtualHost>) -> Vec<Problem> {
    let mut owners: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for host in hosts {
        for domain in &host.domains {
            // Envoy compares host names in lower case.
            if let Some(other) = owners.insert(domain.to_ascii_lowercase(), &host.name) {
                problems.push(Problem::DuplicateDomain { domain: domain.clone(), other: other.to_owned() });
            }
        }
    }
    problems
}
