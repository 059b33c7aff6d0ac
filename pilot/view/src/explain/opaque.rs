//! Which rule of a VirtualService takes a connection whose bytes are forwarded, and why those before it do not.
//!
//! In: the filter chain that Envoy chooses. Out: the rule that it was made from. Envoy goes by the most specific address and server name,
//! not by the order of rules; of two rules for the same connections the first counts.

use super::{
    ClientTarget, Explanation, Request, RuleAt, RulePassed, Scene,
    rule::{ForClient, not_for},
};
use crate::{
    Scope, hosts,
    outbound::{Opaque, RuleIndex, opaque_parts, traffic_of},
    spec::{FilterChainSpec, TcpSpec},
};
use mesh_model::{
    ConnectionMatch, ConnectionRoute, Host, Mesh, Protocol, ServicePort, Traffic, VirtualService,
};
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
    // A socket has no port: whichever of its services' ports the connection went to.
    let called = match request.destination {
        Some(ClientTarget::Unix(_)) => None,
        Some(ClientTarget::Ip(_)) | None => Some(request.port()),
    };
    // Nor has whoever connects to it an address.
    let client = scene.address().filter(|_| called.is_some());
    let Some(Origin { value, traffic, at, port }) = origin(&scope, scene.mesh(), taken, called) else {
        return;
    };
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
            let because = unmet(&Asked { scope: &scope, taken, request, port }, condition, client);
            explanation.passed.push(RulePassed { rule, because });
        }
    }
}

/// What a connection is about.
struct Origin {
    /// The VirtualService for it.
    value: Arc<VirtualService>,
    traffic: Traffic,
    /// Which of its rules took the connection, if one did.
    at: Option<RuleIndex>,
    /// The service's port.
    port: u16,
}

/// What the connection to port `called` is about; `None`: to any port.
fn origin(scope: &Scope<'_>, mesh: &Mesh, taken: &Taken<'_>, called: Option<u16>) -> Option<Origin> {
    let opaque = |port: &&ServicePort| {
        let is_called = called.is_none_or(|called| port.number == called);
        is_called && !port.protocol.is_http() && port.protocol != Protocol::Udp
    };
    hosts(mesh).iter().find_map(|host| {
        let service = scope.service(host).filter(|service| service.host == *host)?;
        service.ports.iter().filter(opaque).find_map(|port| {
            let part = opaque_parts(scope, service, port).into_iter().find(|part| made(part, taken))?;
            let traffic = traffic_of(port);
            let mut values = scope.virtual_services(&service.host, traffic).into_iter();
            let by = part.config.as_ref();
            let value = values.find(|value| by.is_none_or(|by| value.metadata.object == *by))?.clone();
            let at = part.config.is_some().then_some(part.at);
            Some(Origin { value, traffic, at, port: port.number })
        })
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

/// What is asked about.
struct Asked<'a> {
    scope: &'a Scope<'a>,
    taken: &'a Taken<'a>,
    request: &'a Request,
    /// The port that the client means.
    port: u16,
}

/// Why a rule does not take the connection.
fn unmet(asked: &Asked<'_>, condition: &ConnectionMatch, client: Option<IpAddr>) -> Vec<String> {
    let Asked { scope, taken, request, port: called } = *asked;
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
    let mut because = not_for(scope, called, &wanted);
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
        None if matches!(request.destination, Some(ClientTarget::Unix(_))) => {
            because.push("the client connects to a socket, not to an address".to_owned());
        }
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
