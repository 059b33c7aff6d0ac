//! Outbound listeners: what each host needs of a port, and the listener that the hosts on it share.
//!
//! Services with an address of their own have TCP listeners of their own (`VIP_PORT`); HTTP services share `0.0.0.0_PORT`,
//! where requests are told apart by `Host`. Where both kinds meet on one address, the listener sniffs. TLS services without an
//! address of their own are told apart by SNI.
//!
//! What a Sidecar asks for (`egress`) is at a port or a socket that it names.

use super::{
    HostView, ServiceContext,
    connection::{self, Opaque},
    destination_cluster, egress,
    listener_key::ListenerKey,
    route_name,
};
use crate::{
    Capture, Scope, domains,
    spec::{
        ChainMatch, Direction, FilterChainSpec, HttpSpec, Inspectors, ListenerAddress, ListenerSpec,
        NetworkSpec, RouteSource, TcpSpec, Transport, WeightedCluster,
    },
    well_known::pool_as_spoken,
};
use mesh_model::{
    Cidr, EndpointAddress, Metadata, ObjectRef, OutboundPolicy, Protocol, RouteHeaders, Service, ServicePort,
    Str, TcpPool, Vip,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

/// What one service needs of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortUse {
    /// The service, for precedence and blame.
    pub metadata: Metadata,
    /// What else defines the service, for blame.
    pub with: Vec<ObjectRef>,
    /// Destinations that it takes on a shared address; empty: all.
    pub ranges: Vec<Cidr>,
    /// The SNI that it takes; `None`: all.
    pub server_name: Option<Str>,
    /// Clients' addresses that it takes; `None`: all.
    pub source: Option<Cidr>,
    /// Route configuration, when requests are routed one by one.
    pub routes: Option<Str>,
    /// Where opaque connections go; `None` for declared HTTP.
    pub tcp: Option<TcpSpec>,
    /// The VirtualService that says so.
    pub config: Option<ObjectRef>,
    /// Whether gRPC-Web is spoken.
    pub grpc_web: bool,
}

impl PortUse {
    /// For a service's requests, routed one by one and told apart by their hosts alone.
    pub(super) fn of_requests(service: &Service, port: &ServicePort, routes: Option<Str>) -> Self {
        Self {
            metadata: service.metadata.clone(),
            with: service.with.clone(),
            ranges: vec![],
            server_name: None,
            source: None,
            routes,
            tcp: None,
            config: None,
            grpc_web: port.protocol == Protocol::GrpcWeb,
        }
    }
}

pub(super) const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Adds what `port` needs of listeners to `view`.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    let ServiceContext { scope, service, rule: _ } = context;
    for door in scope.doors(service.namespace(), &service.host, port.number) {
        match door {
            None => derive_usual(context, port, view),
            Some(listener) => egress::derive(context, port, listener, view),
        }
    }
}

/// What `service` needs of a listener for each part of its connections.
pub(super) fn uses(
    service: &Service,
    opaque: &[Opaque],
    routes: Option<Str>,
    ranges: &[Cidr],
    server_names: &[Option<Str>],
) -> Vec<PortUse> {
    let of = |target: &Opaque, server_name: Option<Str>| {
        let Opaque { subnets, source, server_name: _, tcp, config, at: _ } = target.clone();
        PortUse {
            metadata: service.metadata.clone(),
            with: service.with.clone(),
            ranges: if subnets.is_empty() { ranges.to_vec() } else { subnets },
            server_name,
            source,
            routes: routes.clone(),
            tcp: Some(tcp),
            config,
            grpc_web: false,
        }
    };
    // Only what no VirtualService routes is known by the service's own names.
    let names = |target: &Opaque| match target.config {
        None => server_names.to_vec(),
        Some(_) => vec![target.server_name.clone()],
    };
    opaque.iter().flat_map(|target| names(target).into_iter().map(|name| of(target, name))).collect()
}

/// The server names by which TLS connections to `service` are known; `None`: by none, and so all of them.
pub(super) fn own_names(scope: &Scope<'_>, service: &Service, is_tls: bool) -> Vec<Option<Str>> {
    // Envoy takes every SNI when none is asked for, and knows no `*`.
    match is_tls && service.host.as_str() != "*" {
        true => domains::server_names(scope, service).into_iter().map(Some).collect(),
        false => vec![None],
    }
}

/// What it needs of listeners at the service's own addresses.
fn derive_usual(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    let ServiceContext { scope, service, rule: _ } = context;
    let capture = &scope.key.capture;
    let mut add = |address, entry| view.ports.push((ListenerKey::Port { address, port: port.number }, entry));
    if port.protocol.is_http() {
        if let Capture::Redirect = capture {
            let routes = Some(route_name(capture, port.number));
            add(ANY, PortUse::of_requests(service, port, routes));
        }
        return;
    }
    let opaque = connection::of_port(context, port, port.protocol);
    let own_names = own_names(scope, service, port.protocol.is_tls());
    let own = |routes| uses(service, &opaque, routes, &[], &[None]);
    let shared = |routes, ranges: &[Cidr]| uses(service, &opaque, routes, ranges, &own_names);
    if let Some(door) = capture.own_door() {
        // Requests come in through the HTTP proxy; opaque connections need a port of their own to tell them apart, and one at
        // which the workload itself is not reached.
        if !scope.key.own_ports.contains(&port.number) {
            shared(None, &[]).into_iter().for_each(|entry| add(door, entry));
        }
        return;
    }
    let sniffed = port.protocol == Protocol::Auto;
    let own_routes = || sniffed.then(|| Str::from(format!("{}:{}", service.host, port.number)));
    let shared_routes = || sniffed.then(|| route_name(capture, port.number));
    let vips = scope.vips(service);
    let ranges: Vec<Cidr> =
        vips.iter().filter_map(|vip| if let Vip::Range(range) = vip { Some(*range) } else { None }).collect();
    for vip in &vips {
        if let Vip::Ip(address) = vip {
            own(own_routes()).into_iter().for_each(|entry| add(*address, entry));
        }
    }
    if !ranges.is_empty() {
        shared(shared_routes(), &ranges).into_iter().for_each(|entry| add(ANY, entry));
    } else if service.headless {
        // Clients call the pods' own addresses.
        for endpoint in scope.mesh.endpoints(service).map(|all| all.on_port(port.number)).unwrap_or_default()
        {
            if let EndpointAddress::Ip(address) = endpoint.address {
                own(own_routes()).into_iter().for_each(|entry| add(address, entry));
            }
        }
    } else if vips.is_empty() {
        shared(shared_routes(), &[]).into_iter().for_each(|entry| add(ANY, entry));
    }
}

/// The listener on `key` for what hosts need of it, in order of host, and the hosts that lost to an older one on the same destination.
pub fn port_listener<'u>(
    scope: &Scope<'_>,
    key: &ListenerKey,
    uses: impl Iterator<Item = &'u PortUse>,
) -> (Option<ListenerSpec>, Vec<&'u Metadata>) {
    let mut sorted: Vec<&PortUse> = uses.collect();
    sorted.sort_by_key(|entry| entry.metadata.precedence());
    let access_log = scope.access_log();
    let (mut opaque, lost) = share(&sorted);
    // Whoever connects to a listener of the proxy's own means the one service behind it, whatever it is called.
    if let (Capture::None { .. }, [only]) = (&scope.key.capture, sorted.as_slice())
        && only.config.is_none()
    {
        opaque = opaque.into_values().map(|_| (Destination::default(), *only)).collect();
    }
    let shared_routes =
        sorted.iter().filter(|entry| entry.ranges.is_empty()).find_map(|entry| entry.routes.clone());
    let sniffs = sorted.iter().any(|entry| entry.routes.is_some()) && !opaque.is_empty();
    let tracing = scope.tracing();
    let grpc_web = sorted.iter().any(|entry| entry.grpc_web);
    let requests = |name: &Str, routes: Str| {
        let stat_prefix = format!("outbound_{name}").into();
        let access_log = access_log.clone();
        let routes = RouteSource::Rds(routes);
        let path_normalization = scope.mesh.config().path_normalization;
        let direction = Direction::Outbound;
        let lookup = scope.lookup();
        let alpn_by_request = scope.key.has_identity;
        let headers = scope.settings().headers.clone();
        let accepts_http10 = scope.key.options.accepts_http10;
        let connections = scope.key.options.limit(&scope.settings().connections);
        let tracing = tracing.clone();
        NetworkSpec::Http(HttpSpec {
            stat_prefix,
            direction,
            routes,
            lookup,
            alpn_by_request,
            grpc_web,
            path_normalization,
            headers,
            accepts_http10,
            connections,
            tracing,
            access_log,
        })
    };
    let mut chains = Vec::new();
    let mut default_chain = None;
    if let Some(routes) = shared_routes {
        let matches = if sniffs { plain_text_http(ChainMatch::default()) } else { ChainMatch::default() };
        chains.push(FilterChainSpec {
            matches,
            tls: None,
            network: requests(&key.name(), routes),
            name: key.name(),
        });
    }
    let everything = chains.iter().any(|chain| chain.matches == ChainMatch::default());
    for (Destination { range, server_name, source }, entry) in opaque {
        let Some(tcp) = entry.tcp.clone().map(NetworkSpec::Tcp) else { continue };
        let matches = ChainMatch {
            prefix_ranges: range.into_iter().collect(),
            server_names: server_name.clone().into_iter().collect(),
            source_ranges: source.into_iter().collect(),
            ..ChainMatch::default()
        };
        if matches == ChainMatch::default() {
            let name = if sniffs { "PassthroughFilterChain".into() } else { key.name() };
            default_chain = Some(FilterChainSpec { name, matches, tls: None, network: tcp });
            continue;
        }
        let parts = [
            range.map(|range| range.to_string()),
            server_name.map(|name| name.to_string()),
            source.map(|source| format!("from_{source}")),
        ];
        let suffix = parts.into_iter().flatten().collect::<Vec<_>>().join("_");
        let name: Str = format!("{}_{suffix}", key.name()).into();
        let Some(routes) = entry.routes.clone() else {
            // Clients' addresses come last, behind the transport by which the chain for requests is found.
            chains.extend(opaque_chains(&name, &matches, &tcp, sniffs && source.is_some()));
            continue;
        };
        // Envoy looks at addresses first, then at the transport, and does not come back: a range has chains of its own for
        // requests and for whatever else there is.
        let chain = |suffix: &str, matches, network| FilterChainSpec {
            name: format!("{name}-{suffix}").into(),
            matches,
            tls: None,
            network,
        };
        chains.push(chain("http", plain_text_http(matches.clone()), requests(&key.name(), routes)));
        for (suffix, transport) in [("tcp", Transport::RawBuffer), ("tls", Transport::Tls)] {
            let matches = ChainMatch { transport: Some(transport), ..matches.clone() };
            chains.push(chain(suffix, matches, tcp.clone()));
        }
    }
    if default_chain.is_none() && !chains.is_empty() && !everything {
        // On a shared address, what is no service's goes where unknown traffic goes.
        default_chain = Some(FilterChainSpec {
            name: "PassthroughFilterChain".into(),
            matches: ChainMatch::default(),
            tls: None,
            network: NetworkSpec::Tcp(unknown(scope)),
        });
    }
    if chains.is_empty() && default_chain.is_none() {
        return (None, lost);
    }
    let mut origins: Vec<_> = sorted
        .iter()
        .filter(|entry| entry.tcp.is_some())
        .flat_map(|entry| std::iter::once(&entry.metadata.object).chain(&entry.with).chain(&entry.config))
        .cloned()
        .collect();
    origins.sort();
    origins.dedup();
    let by_name = chains.iter().any(|chain| !chain.matches.server_names.is_empty());
    let families = scope.key.families;
    let address = match key {
        ListenerKey::Port { address: ANY, port } => families.listening(families.any(), *port),
        ListenerKey::Port { address, port } => families.listening(*address, *port),
        ListenerKey::Unix(path) => ListenerAddress::Unix(path.clone()),
    };
    let listener = ListenerSpec {
        name: key.name(),
        address,
        bind_to_port: matches!(scope.key.capture, Capture::None { .. }) || egress::is_bound(scope, key),
        use_original_dst: false,
        transparent: false,
        exact_balance: scope.key.options.balances_outbound,
        direction: Direction::Outbound,
        inspectors: Inspectors {
            http: sniffs,
            tls: sniffs || by_name,
            timeout: scope.mesh.config().protocol_detection_timeout,
            ..Inspectors::default()
        },
        chains,
        default_chain,
        access_log,
        buffer_limit: scope.settings().connections.listener_buffer,
        origins: origins.into(),
    };
    (Some(listener), lost)
}

/// A part of the connections that a shared listener takes; absent parts take all.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Destination {
    range: Option<Cidr>,
    server_name: Option<Str>,
    source: Option<Cidr>,
}

/// Who of `sorted` (oldest first) takes which opaque connections, and who comes too late for one.
fn share<'u>(sorted: &[&'u PortUse]) -> (BTreeMap<Destination, &'u PortUse>, Vec<&'u Metadata>) {
    let mut taken: BTreeMap<Destination, &PortUse> = BTreeMap::new();
    let mut lost = Vec::new();
    for entry in sorted.iter().filter(|entry| entry.tcp.is_some()) {
        let ranges: Vec<Option<Cidr>> = match entry.ranges.is_empty() {
            true => vec![None],
            false => entry.ranges.iter().map(|range| Some(*range)).collect(),
        };
        for range in ranges {
            let wanted = Destination { range, server_name: entry.server_name.clone(), source: entry.source };
            let older = taken.entry(wanted).or_insert(entry);
            if older.metadata != entry.metadata && !lost.contains(&&entry.metadata) {
                lost.push(&entry.metadata);
            }
        }
    }
    (taken, lost)
}

/// The part of `matches` that is plain-text HTTP, as the inspector found.
pub fn plain_text_http(matches: ChainMatch) -> ChainMatch {
    ChainMatch {
        application_protocols: vec!["http/1.1".into(), "h2c".into()],
        transport: Some(Transport::RawBuffer),
        ..matches
    }
}

/// The chains for all of `matches` that is not [`plain_text_http`], beside a chain for that or alone. Envoy goes by the
/// transport before the application protocol and does not come back: beside a chain for some plain text there has to be one
/// for all other plain text, and one that names no transport never gets any.
pub fn opaque_chains(
    name: &str,
    matches: &ChainMatch,
    network: &NetworkSpec,
    beside_http: bool,
) -> Vec<FilterChainSpec> {
    let chain = |name: Str, transport| FilterChainSpec {
        name,
        matches: ChainMatch { transport, ..matches.clone() },
        tls: None,
        network: network.clone(),
    };
    match beside_http {
        false => vec![chain(name.into(), None)],
        true => vec![
            chain(format!("{name}-tcp").into(), Some(Transport::RawBuffer)),
            chain(format!("{name}-tls").into(), Some(Transport::Tls)),
        ],
    }
}

/// Where connections to unknown destinations go.
pub fn unknown(scope: &Scope<'_>) -> TcpSpec {
    let cluster: Str = match scope.outbound_policy() {
        OutboundPolicy::AllowAny => match scope.egress_proxy() {
            Some(proxy) => destination_cluster(proxy),
            None => "PassthroughCluster".into(),
        },
        // Whoever connects to an address has looked the name up already.
        OutboundPolicy::AllowAnyDynamicDns => "PassthroughCluster".into(),
        OutboundPolicy::RegistryOnly => "BlackHoleCluster".into(),
    };
    let TcpPool { idle_timeout, max_connection_duration, .. } = pool_as_spoken(scope.mesh, None).tcp;
    TcpSpec {
        stat_prefix: cluster.clone(),
        clusters: vec![WeightedCluster { cluster, weight: 1, headers: RouteHeaders::default() }],
        idle_timeout: idle_timeout.or(scope.key.options.idle_timeout),
        max_connection_duration,
        hash_source_ip: false,
        tunnel: None,
        mongo: false,
        sni_lookup: None,
        access_log: scope.access_log(),
    }
}
