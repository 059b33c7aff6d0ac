//! Entries of `tls` and `tcp`.
//!
//! As with requests, a condition that cannot be read makes its match unusable: leaving it out would widen what the route takes.

use super::{condition::parse_gateway, destination::parse_destinations, reach_connections::check_reach};
use crate::{
    at::At,
    values::{parse_dns_name, parse_port, parse_range, parse_selector, parse_source_namespace},
};
use mesh_api::networking::virtual_service as api;
use mesh_model::{Cidr, ConnectionMatch, ConnectionRoute, Host, Reason, WeightedDestination};
use std::net::IpAddr;

/// Reads `tls`. Server names have to be among `hosts`, as written or as completed.
pub fn parse_tls(routes: Vec<api::TlsRoute>, hosts: &[Host], at: &At<'_>) -> Vec<ConnectionRoute> {
    let parse = |(index, route): (usize, api::TlsRoute)| {
        let at = at.index(index);
        let api::TlsRoute { matches, route } = route;
        let at_match = at.field("match");
        if matches.is_empty() {
            at_match.error_hint(
                Reason::Required,
                "there is nothing to choose connections by",
                "name the server names in `sniHosts`",
            );
        }
        let matches: Vec<_> = matches
            .into_iter()
            .enumerate()
            .filter_map(|(index, condition)| {
                Some(ConnectionMatch { index, ..parse_tls_match(condition, hosts, &at_match.index(index))? })
            })
            .collect();
        let destinations = parse_route(route, &at)?;
        (!matches.is_empty()).then_some(ConnectionRoute { index, matches, destinations })
    };
    let routes: Vec<_> = routes.into_iter().enumerate().filter_map(parse).collect();
    check_reach("tls", &routes, at);
    routes
}

/// Reads `tcp`.
pub fn parse_tcp(routes: Vec<api::TcpRoute>, at: &At<'_>) -> Vec<ConnectionRoute> {
    let mut catch_all: Option<usize> = None;
    let mut parsed = Vec::with_capacity(routes.len());
    for (index, route) in routes.into_iter().enumerate() {
        let at = at.index(index);
        if let Some(first) = catch_all {
            at.warning_hint(
                Reason::Unreachable,
                format!("tcp[{first}] takes every connection, so none gets here"),
                format!("move tcp[{first}] to the end, or let its `match` take less"),
            );
        }
        let api::TcpRoute { matches, route } = route;
        let at_match = at.field("match");
        let any = !matches.is_empty();
        let matches: Vec<_> = matches
            .into_iter()
            .enumerate()
            .filter_map(|(index, condition)| {
                Some(ConnectionMatch { index, ..parse_tcp_match(condition, &at_match.index(index))? })
            })
            .collect();
        let Some(destinations) = parse_route(route, &at) else { continue };
        if any && matches.is_empty() {
            continue;
        }
        let takes_all = |condition: &ConnectionMatch| {
            *condition == ConnectionMatch { index: condition.index, ..ConnectionMatch::default() }
        };
        if matches.is_empty() || matches.iter().any(takes_all) {
            catch_all = catch_all.or(Some(index));
        }
        parsed.push(ConnectionRoute { index, matches, destinations });
    }
    // What a route that takes every connection takes has been said.
    let end = parsed.iter().position(|route| catch_all.is_some_and(|first| route.index > first));
    check_reach("tcp", parsed.get(..end.unwrap_or(parsed.len())).unwrap_or_default(), at);
    parsed
}

fn parse_route(route: Vec<api::RouteDestination>, at: &At<'_>) -> Option<Vec<WeightedDestination>> {
    let at = at.field("route");
    if route.is_empty() {
        at.error_hint(
            Reason::Required,
            "there is no destination",
            "write where connections go, as in `route: [{destination: {host: db}}]`",
        );
        return None;
    }
    let as_http = |entry| {
        let api::RouteDestination { destination, weight } = entry;
        api::HttpRouteDestination { destination, weight, headers: None }
    };
    parse_destinations(route.into_iter().map(as_http).collect(), &at)
}

fn parse_tls_match(
    condition: api::TlsMatchAttributes,
    hosts: &[Host],
    at: &At<'_>,
) -> Option<ConnectionMatch> {
    let api::TlsMatchAttributes {
        sni_hosts,
        destination_subnets,
        port,
        source_labels,
        gateways,
        source_namespace,
    } = condition;
    let at_names = at.field("sniHosts");
    if sni_hosts.is_empty() {
        at_names.error_hint(
            Reason::Required,
            "there is no server name to choose connections by",
            "write the names that clients ask for, as in `sniHosts: [db.example.com]`",
        );
        return None;
    }
    let names: Vec<Host> = sni_hosts
        .iter()
        .enumerate()
        .filter_map(|(index, name)| parse_server_name(name, hosts, &at_names.index(index)))
        .collect();
    let rest = Conditions { destination_subnets, port, source_labels, gateways, source_namespace };
    let parsed = rest.parse(at)?;
    (!names.is_empty()).then_some(ConnectionMatch { sni_hosts: names, ..parsed })
}

fn parse_tcp_match(condition: api::L4MatchAttributes, at: &At<'_>) -> Option<ConnectionMatch> {
    let api::L4MatchAttributes {
        destination_subnets,
        port,
        source_subnet,
        source_labels,
        gateways,
        source_namespace,
    } = condition;
    // Istio reads over this one. A route that takes more than it says is worse than one that takes what it says.
    let source = match source_subnet.filter(|text| !text.is_empty()) {
        Some(text) => {
            let at = at.field("sourceSubnet");
            let range = parse_range(&text, &at)?;
            at.info_hint(
                Reason::InvalidValue,
                format!(
                    "here only clients of {text} are meant; Istio ignores this, and takes connections of all"
                ),
                "for both, match on `sourceLabels` or `sourceNamespace`",
            );
            Some(range)
        }
        None => None,
    };
    let rest = Conditions { destination_subnets, port, source_labels, gateways, source_namespace };
    Some(ConnectionMatch { source, ..rest.parse(at)? })
}

/// The conditions that both kinds have.
struct Conditions {
    destination_subnets: Vec<String>,
    port: Option<u32>,
    source_labels: std::collections::BTreeMap<String, String>,
    gateways: Vec<String>,
    source_namespace: Option<String>,
}

impl Conditions {
    fn parse(self, at: &At<'_>) -> Option<ConnectionMatch> {
        let Self { destination_subnets, port, source_labels, gateways, source_namespace } = self;
        let at_subnets = at.field("destinationSubnets");
        let any = !destination_subnets.is_empty();
        let mut subnets: Vec<Cidr> = destination_subnets
            .iter()
            .enumerate()
            .filter_map(|(index, text)| parse_range(text, &at_subnets.index(index)))
            .collect();
        subnets.sort();
        subnets.dedup();
        if any && subnets.is_empty() {
            return None;
        }
        Some(ConnectionMatch {
            // The caller knows.
            index: 0,
            sni_hosts: Vec::new(),
            subnets,
            source: None,
            port: match port {
                None | Some(0) => None,
                Some(port) => Some(parse_port(port, &at.field("port"))?),
            },
            source_labels: parse_selector(&source_labels, &at.field("sourceLabels")),
            source_namespace: parse_source_namespace(source_namespace, &at.field("sourceNamespace")),
            gateways: gateways.iter().map(|name| parse_gateway(name, at)).collect(),
        })
    }
}

/// A server name, a leading `*.` or a `*` alone allowed: Envoy knows no other wildcards in SNI.
fn parse_server_name(text: &str, hosts: &[Host], at: &At<'_>) -> Option<Host> {
    let name = match text.strip_prefix("*.") {
        _ if text == "*" => Host::new("*"),
        Some(rest) => Host::new(&format!("*.{}", parse_dns_name(rest, at)?)),
        None => Host::new(&parse_dns_name(text, at)?),
    };
    if text.parse::<IpAddr>().is_ok() {
        at.info_hint(
            Reason::InvalidValue,
            format!("`{text}` is an address: clients hardly send one as server name (RFC 6066)"),
            "match on `destinationSubnets` under `tcp`, if clients call the address",
        );
    }
    // A short host stands for a name that clients may well call by its short form.
    let short = |host: &Host| {
        !name.as_str().contains('.')
            && host.as_str() == format!("{name}.{}.svc.{}", at.namespace(), at.domain())
    };
    if !hosts.iter().any(|host| host.covers(&name) || short(host)) {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is none of this VirtualService's hosts, so it is left out"),
            "add it to `hosts`, or a wildcard that covers it",
        );
        return None;
    }
    Some(name)
}
