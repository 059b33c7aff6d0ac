//! Which listener gets a connection, and which of its filter chains, by Envoy's rules.

use super::{ClientTarget, ListenerTaken, Request, Scene};
use crate::{
    ListenerKey, alias,
    spec::{
        ChainMatch, FilterChainSpec, Inspectors, ListenerSpec, NetworkSpec, RouteSource, TcpSpec, Transport,
    },
};
use mesh_model::{EndpointAddress, Host, Service, Str, Vip};
use std::net::{IpAddr, Ipv4Addr};

/// Where a connection leads.
pub enum Way<'s> {
    /// No listener takes it.
    Nowhere { why: String },
    /// Its bytes are forwarded.
    Opaque {
        /// Which listener.
        listener: ListenerTaken,
        /// Its chain.
        chain: &'s FilterChainSpec,
        /// What that does.
        tcp: &'s TcpSpec,
        /// The address that the client connects to, as far as that is known.
        destination: Option<IpAddr>,
    },
    /// Its requests are routed, by this route configuration.
    Requests { listener: ListenerTaken, routes: Str },
}

/// What a client's connection shows.
struct Connection<'r> {
    request: &'r Request,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    port: u16,
    tls: bool,
}

/// The way of the connection that `request` comes on.
pub fn choose<'s>(scene: &'s Scene<'_>, request: &Request) -> Way<'s> {
    // Where nothing is redirected the client connects to the proxy, whatever it has in mind.
    let door = scene.capture().own_door();
    let (source, destination) = match &request.destination {
        // Neither end has an address there.
        Some(ClientTarget::Unix(_)) => (None, None),
        Some(ClientTarget::Ip(address)) => (scene.address(), door.or(Some(*address))),
        None => (scene.address(), door.or_else(|| resolve(scene, request.host()))),
    };
    let connection =
        Connection { request, source, destination, port: request.port(), tls: request.scheme == "https" };
    let found = match (&request.destination, door) {
        (Some(ClientTarget::Unix(path)), _) => at_socket(scene, path),
        (_, None) => redirected(scene, &connection),
        (_, Some(door)) => explicit(scene, &connection, door, scene.http_proxy_port()),
    };
    match found {
        Ok((listener, why)) => enter(listener, &connection, why),
        Err(why) => Way::Nowhere { why },
    }
}

type Found<'s> = Result<(&'s ListenerSpec, String), String>;

fn at_socket<'s>(scene: &'s Scene<'_>, path: &Str) -> Found<'s> {
    match scene.listeners.get(&ListenerKey::Unix(path.clone()).name()) {
        Some(listener) => Ok((listener, format!("the client connects to the socket {path}"))),
        None => Err(format!("no `egress` of the client's Sidecar has the proxy listen at the socket {path}")),
    }
}

fn redirected<'s>(scene: &'s Scene<'_>, connection: &Connection<'_>) -> Found<'s> {
    let Connection { request, source: _, destination, port, tls: _ } = *connection;
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if let Some(address) = destination
        && let Some(listener) = scene.listeners.get(&*format!("{address}_{port}"))
    {
        return Ok((
            listener,
            format!("the connection goes to {address}:{port}, which has a listener of its own"),
        ));
    }
    let shown = match destination {
        Some(address) => format!("{address}:{port}"),
        None => format!("port {port} of wherever DNS says {} is", request.host()),
    };
    if let Some(listener) = scene.listeners.get(&*format!("{any}_{port}")) {
        return Ok((
            listener,
            format!("the connection goes to {shown}: services on port {port} share this one"),
        ));
    }
    let listener = scene.listeners.get("virtualOutbound").ok_or("there is no virtualOutbound listener")?;
    let mut why = format!("the connection goes to {shown}, where no service that is seen from here listens");
    if let Some(service) = called(scene, request.host()).filter(|service| service.port(port).is_none()) {
        let ports: Vec<_> = service.ports.iter().map(|port| port.number.to_string()).collect();
        let noun = if ports.len() == 1 { "port" } else { "ports" };
        why += &format!("; {} has only the {noun} {}", service.host, ports.join(", "));
    }
    Ok((listener, why))
}

fn explicit<'s>(
    scene: &'s Scene<'_>,
    connection: &Connection<'_>,
    bind: IpAddr,
    http_proxy_port: Option<u16>,
) -> Found<'s> {
    if connection.request.scheme == "http" {
        let port =
            http_proxy_port.ok_or("traffic is not redirected, and the proxy has no HTTP proxy port")?;
        let listener = scene.listeners.get(&*format!("{bind}_{port}"));
        let why = format!("the client asks the HTTP proxy at {bind}:{port}");
        return listener
            .map(|listener| (listener, why))
            .ok_or_else(|| format!("nothing listens at {bind}:{port}"));
    }
    let port = connection.port;
    let listener = scene.listeners.get(&*format!("{bind}_{port}"));
    let why = format!("traffic is not redirected: the client connects to the proxy at {bind}:{port}");
    listener
        .map(|listener| (listener, why))
        .ok_or_else(|| format!("traffic is not redirected, and the proxy has no listener for port {port}"))
}

fn enter<'s>(listener: &'s ListenerSpec, connection: &Connection<'_>, why: String) -> Way<'s> {
    let Some(chain) = choose_chain(listener, connection) else {
        return Way::Nowhere {
            why: format!("listener {} has no filter chain for the connection", listener.name),
        };
    };
    let taken = ListenerTaken { name: listener.name.clone(), chain: chain.name.clone(), why };
    match &chain.network {
        NetworkSpec::Tcp(tcp) => {
            Way::Opaque { listener: taken, chain, tcp, destination: connection.destination }
        }
        NetworkSpec::Http(_) if connection.request.scheme != "http" => Way::Nowhere {
            why: format!(
                "listener {} expects plain HTTP, and {} is not that",
                listener.name, connection.request.scheme
            ),
        },
        NetworkSpec::Http(http) => {
            let routes = match &http.routes {
                RouteSource::Rds(name) => name.clone(),
                RouteSource::Inline(configuration) => configuration.name.clone(),
            };
            Way::Requests { listener: taken, routes }
        }
    }
}

/// How specifically a chain matches a connection; `None`: not at all.
type Step = fn(&ChainMatch, &ListenerSpec, &Connection<'_>) -> Option<usize>;

/// Envoy goes by destination port, address, SNI, transport, application protocol and the client's address, takes the most specific at each step, and
/// does not come back.
fn choose_chain<'s>(listener: &'s ListenerSpec, connection: &Connection<'_>) -> Option<&'s FilterChainSpec> {
    let steps: [Step; 6] = [by_port, by_address, by_name, by_transport, by_protocol, by_source];
    let mut left: Vec<&FilterChainSpec> = listener.chains.iter().collect();
    for step in steps {
        let ranked: Vec<_> = left
            .into_iter()
            .filter_map(|chain| Some((step(&chain.matches, listener, connection)?, chain)))
            .collect();
        let best = ranked.iter().map(|(rank, _)| *rank).max();
        left = ranked.into_iter().filter(|(rank, _)| Some(*rank) == best).map(|(_, chain)| chain).collect();
    }
    left.first().copied().or(listener.default_chain.as_ref())
}

fn by_port(matches: &ChainMatch, _: &ListenerSpec, connection: &Connection<'_>) -> Option<usize> {
    match matches.destination_port {
        None => Some(0),
        Some(port) => (port == connection.port).then_some(1),
    }
}

fn by_address(matches: &ChainMatch, _: &ListenerSpec, connection: &Connection<'_>) -> Option<usize> {
    if matches.prefix_ranges.is_empty() {
        return Some(0);
    }
    let address = connection.destination?;
    let within = matches.prefix_ranges.iter().filter(|range| range.contains(address));
    within.map(|range| 1 + usize::from(range.length)).max()
}

fn by_name(matches: &ChainMatch, listener: &ListenerSpec, connection: &Connection<'_>) -> Option<usize> {
    if matches.server_names.is_empty() {
        return Some(0);
    }
    if !connection.tls || !looks_for_tls(listener, connection) {
        return None;
    }
    let asked = connection.request.host().to_ascii_lowercase();
    let ranks = matches.server_names.iter().filter_map(|name| match name.strip_prefix('*') {
        None => (**name == *asked).then_some(usize::MAX),
        Some(suffix) => (asked.len() > suffix.len() && asked.ends_with(suffix)).then_some(suffix.len()),
    });
    ranks.max()
}

fn looks_for_tls(listener: &ListenerSpec, connection: &Connection<'_>) -> bool {
    let Inspectors { tls, skip_tls, .. } = &listener.inspectors;
    *tls && !skip_tls.contains(&connection.port)
}

fn by_transport(matches: &ChainMatch, listener: &ListenerSpec, connection: &Connection<'_>) -> Option<usize> {
    let found = match connection.tls && looks_for_tls(listener, connection) {
        true => Transport::Tls,
        false => Transport::RawBuffer,
    };
    match matches.transport {
        None => Some(0),
        Some(wanted) => (wanted == found).then_some(1),
    }
}

fn by_protocol(matches: &ChainMatch, listener: &ListenerSpec, connection: &Connection<'_>) -> Option<usize> {
    if matches.application_protocols.is_empty() {
        return Some(0);
    }
    let Inspectors { http, skip_http, .. } = &listener.inspectors;
    let looks = *http && !skip_http.contains(&connection.port);
    let plain = connection.request.scheme == "http" && looks;
    let found = plain && matches.application_protocols.iter().any(|protocol| &**protocol == "http/1.1");
    found.then_some(1)
}

fn by_source(matches: &ChainMatch, _: &ListenerSpec, connection: &Connection<'_>) -> Option<usize> {
    if matches.source_ranges.is_empty() {
        return Some(0);
    }
    let within = matches
        .source_ranges
        .iter()
        .filter(|range| connection.source.is_some_and(|source| range.contains(source)));
    within.map(|range| 1 + usize::from(range.length)).max()
}

/// What a client's DNS says about `host`: the address of a service.
fn resolve(scene: &Scene<'_>, host: &str) -> Option<IpAddr> {
    if let Ok(address) = host.parse() {
        return Some(address);
    }
    let service = called(scene, host)?;
    let of_service = scene.scope().vips(service).iter().find_map(|vip| match vip {
        Vip::Ip(address) => Some(*address),
        Vip::Range(_) => None,
    });
    let of_endpoint = || {
        let endpoints = scene.mesh().endpoints(service).filter(|_| service.headless)?;
        endpoints.ports.values().flat_map(|endpoints| endpoints.iter()).find_map(|endpoint| {
            match &endpoint.address {
                EndpointAddress::Ip(address) => Some(*address),
                EndpointAddress::Name(_) | EndpointAddress::Unix(_) | EndpointAddress::BehindGateway => None,
            }
        })
    };
    of_service.or_else(of_endpoint)
}

/// The service that clients mean by `host`, under one of the names that their DNS search list makes of it.
fn called<'s>(scene: &'s Scene<'_>, host: &str) -> Option<&'s Service> {
    let mesh = scene.mesh();
    let namespace = scene.namespace();
    let domain = &mesh.config().domain;
    let searched = [
        format!("{host}.{namespace}.svc.{domain}"),
        format!("{host}.svc.{domain}"),
        format!("{host}.{domain}"),
    ];
    let mut names = std::iter::once(host.to_owned()).chain(searched);
    let of = |host: &Host| mesh.services_of_host(host).into_iter().next();
    let mut found = names.find_map(|name| of(&Host::new(&name)))?;
    // A name for another name leads to its address, unless they go round in a circle.
    for _ in 0..alias::LONGEST {
        let Some(target) = found.alias_of() else { break };
        found = of(target)?;
    }
    Some(found)
}
