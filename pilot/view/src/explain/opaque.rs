//! Which rule of a VirtualService takes a connection whose bytes are forwarded, and why those before it do not.
//!
//! In: the filter chain that Envoy chooses. Out: the rule that it was made from. Envoy goes by the most specific address and server name,
//! not by the order of rules; of two rules for the same connections the first counts.

use super::{
    Explanation, Request, RuleAt, RulePassed, Scene,
    rule::{ForClient, not_for},
};
use crate::{
    Scope, hosts,
    outbound::{Opaque, RuleIndex, opaque_parts, traffic_of},
    spec::{FilterChainSpec, TcpSpec},
};
use mesh_model::{ConnectionMatch, ConnectionRoute, Host, Mesh, Protocol, Traffic, VirtualService};
use std::{net::IpAddr, sync::Arc};

/// Where a connection went.
pub struct Taken<'s> {
    pub chain: &'s FilterChainSpec,
    pub tcp: &'s TcpSpec,
    /// The address that the client connects to, as far as that is known.
    pub destination: Option<IpAddr>,
}

/// Writes into `explanation` which rule took the connection, and which before it did not.
pub fn follow(scene: &Scene<'_>, taken: &Taken<'_>, request: &Request, explanation: &mut Explanation) {
    let scope = scene.scope();
    let Some((value, traffic, at)) = origin(&scope, scene.mesh(), taken, request.port()) else { return };
    let (kind, routes) = match traffic {
        Traffic::Tls => ("tls", &value.tls),
        Traffic::Tcp | Traffic::Http => ("tcp", &value.tcp),
    };
    for ConnectionRoute { index, matches, destinations: _ } in routes {
        let everything = ConnectionMatch::default();
        let conditions: Vec<_> = match matches.as_slice() {
            [] => vec![(None, &everything)],
            matches => matches.iter().map(|condition| (Some(condition.index), condition)).collect(),
        };
        for (of_match, condition) in conditions {
            let path = match of_match {
                Some(of_match) => format!("spec.{kind}[{index}].match[{of_match}]"),
                None => format!("spec.{kind}[{index}]"),
            };
            let object = Some(scene.located(&value.metadata.object));
            let rule = RuleAt { object, path, delegate: None, name: "".into() };
            if at == Some((*index, of_match)) {
                explanation.rule = Some(rule);
                return;
            }
            let because = unmet(&scope, condition, taken, request, scene.address());
            explanation.passed.push(RulePassed { rule, because });
        }
    }
}

/// The VirtualService that is about the connection, and which of its rules took it, if one did.
fn origin(
    scope: &Scope<'_>,
    mesh: &Mesh,
    taken: &Taken<'_>,
    number: u16,
) -> Option<(Arc<VirtualService>, Traffic, Option<RuleIndex>)> {
    hosts(mesh).iter().find_map(|host| {
        let service = scope.service(host).filter(|service| service.host == *host)?;
        let port = service.port(number)?;
        if port.protocol.is_http() || port.protocol == Protocol::Udp {
            return None;
        }
        let part = opaque_parts(scope, service, port).into_iter().find(|part| made(part, taken))?;
        let traffic = traffic_of(port);
        let mut values = scope.virtual_services(&service.host, traffic);
        let value =
            values.find(|value| part.config.as_ref().is_none_or(|by| value.metadata.object == *by))?;
        Some((value.clone(), traffic, part.config.is_some().then_some(part.at)))
    })
}

/// Whether the chain was made from `part`.
fn made(part: &Opaque, taken: &Taken<'_>) -> bool {
    let Opaque { subnets, source, server_name, tcp, config, at: _ } = part;
    let matches = &taken.chain.matches;
    // What goes to the service itself is known by the service's own names and addresses.
    let same = config.is_none()
        || (server_name.as_ref() == matches.server_names.first()
            && source.as_ref() == matches.source_ranges.first()
            && (subnets.is_empty() || matches.prefix_ranges.iter().all(|range| subnets.contains(range))));
    same && tcp == taken.tcp
}

/// Why a rule does not take the connection.
fn unmet(
    scope: &Scope<'_>,
    condition: &ConnectionMatch,
    taken: &Taken<'_>,
    request: &Request,
    client: Option<IpAddr>,
) -> Vec<String> {
    let ConnectionMatch {
        index: _,
        sni_hosts,
        subnets,
        source,
        port,
        source_labels,
        source_namespace,
        gateways,
    } = condition;
    let wanted =
        ForClient { port: *port, source_namespace: source_namespace.as_ref(), source_labels, gateways };
    let mut because = not_for(scope, request.port(), &wanted);
    let asked = Host::new(request.host());
    if !sni_hosts.is_empty() && request.scheme != "https" {
        because.push("it is not TLS, so it has no server name".to_owned());
    } else if !sni_hosts.is_empty() && !sni_hosts.iter().any(|host| *host == asked || host.covers(&asked)) {
        let names: Vec<_> = sni_hosts.iter().map(Host::as_str).collect();
        because.push(format!("the server name is {}, not {}", asked.as_str(), names.join(" or ")));
    }
    let within = |address| subnets.iter().any(|range| range.contains(address));
    match taken.destination {
        _ if subnets.is_empty() => {}
        None => because.push("where the client connects to is not known".to_owned()),
        Some(address) if within(address) => {}
        Some(address) => {
            let ranges: Vec<_> = subnets.iter().map(ToString::to_string).collect();
            because.push(format!("the address is {address}, not in {}", ranges.join(" or ")));
        }
    }
    if let Some(range) = source
        && !client.is_some_and(|address| range.contains(address))
    {
        because.push(match client {
            Some(address) => format!("the client's address is {address}, not in {range}"),
            None => format!("the client's address is not known to be in {range}"),
        });
    }
    if because.is_empty() {
        because.push("a rule for a more specific name or address takes the connection".to_owned());
    }
    because
}
