//! Outbound listeners: what each host needs of a port, and the listener that the hosts on it share.
//!
//! Services with an address of their own have TCP listeners of their own (`VIP_PORT`); HTTP services share `0.0.0.0_PORT`,
//! where requests are told apart by `Host`. Where both kinds meet on one address, the listener sniffs.

use super::{HostView, ServiceContext, cluster_name, route_name};
use crate::{
    Capture, Scope,
    spec::{
        ChainMatch, Direction, FilterChainSpec, HttpSpec, Inspectors, ListenerSpec, NetworkSpec, RouteSource,
        TcpSpec, Transport, WeightedCluster,
    },
};
use mesh_model::{
    Cidr, EndpointAddress, Host, Metadata, OutboundPolicy, Protocol, RouteHeaders, ServicePort, Str, Vip,
};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

/// The address and port of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortKey {
    /// `0.0.0.0`: any destination.
    pub address: IpAddr,
    /// Port.
    pub port: u16,
}

impl PortKey {
    /// The listener's name.
    pub fn name(&self) -> Str {
        format!("{}_{}", self.address, self.port).into()
    }
}

/// What one service needs of a listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortUse {
    /// The service, for precedence and blame.
    pub metadata: Metadata,
    /// Destinations that it takes on a shared address; empty: all.
    pub ranges: Vec<Cidr>,
    /// Route configuration, when requests are routed one by one.
    pub routes: Option<Str>,
    /// Where opaque connections go; `None` for declared HTTP.
    pub tcp: Option<TcpSpec>,
}

const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Adds what `port` needs of listeners to `view`.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    let ServiceContext { scope, service, rule: _ } = context;
    let capture = &scope.key.capture;
    let tcp = (!port.protocol.is_http()).then(|| tcp_proxy(context, port));
    let entry = |routes: Option<Str>, ranges: Vec<Cidr>| PortUse {
        metadata: service.metadata.clone(),
        ranges,
        routes,
        tcp: tcp.clone(),
    };
    let key = |address| PortKey { address, port: port.number };
    if let Capture::None { bind, application: _, http_proxy_port: _ } = capture {
        // Requests come in through the HTTP proxy; opaque connections need a port of their own to tell them apart.
        if tcp.is_some() {
            view.ports.push((key(*bind), entry(None, vec![])));
        }
        return;
    }
    if port.protocol.is_http() {
        view.ports.push((key(ANY), entry(Some(route_name(capture, port.number)), vec![])));
        return;
    }
    let sniffed = port.protocol == Protocol::Auto;
    let own_routes = || sniffed.then(|| Str::from(format!("{}:{}", service.host, port.number)));
    let ranges: Vec<Cidr> = service
        .vips
        .iter()
        .filter_map(|vip| if let Vip::Range(range) = vip { Some(*range) } else { None })
        .collect();
    for vip in &service.vips {
        if let Vip::Ip(address) = vip {
            view.ports.push((key(*address), entry(own_routes(), vec![])));
        }
    }
    if !ranges.is_empty() {
        view.ports.push((key(ANY), entry(sniffed.then(|| route_name(capture, port.number)), ranges)));
    } else if service.headless {
        // Clients call the pods' own addresses.
        for endpoint in scope.mesh.endpoints(service).map(|all| all.on_port(port.number)).unwrap_or_default()
        {
            if let EndpointAddress::Ip(address) = endpoint.address {
                view.ports.push((key(address), entry(own_routes(), vec![])));
            }
        }
    } else if service.vips.is_empty() {
        view.ports.push((key(ANY), entry(sniffed.then(|| route_name(capture, port.number)), vec![])));
    }
}

fn tcp_proxy(context: &ServiceContext<'_>, port: &ServicePort) -> TcpSpec {
    let ServiceContext { scope, service, rule } = context;
    let cluster = cluster_name(port.number, "", &service.host);
    let pool =
        rule.and_then(|rule| rule.policy.for_port(None, port.number).connection_pool).unwrap_or_default();
    TcpSpec {
        stat_prefix: cluster.clone(),
        clusters: vec![WeightedCluster { cluster, weight: 1, headers: RouteHeaders::default() }],
        idle_timeout: pool.tcp.idle_timeout,
        max_connection_duration: pool.tcp.max_connection_duration,
        access_log: scope.mesh.config().access_log_file.clone(),
    }
}

/// The listener on `key` for the hosts in `uses`, and the hosts that lost to an older one on the same destination.
pub fn port_listener<'u>(
    scope: &Scope<'_>,
    key: PortKey,
    uses: &'u BTreeMap<Host, Vec<PortUse>>,
) -> (Option<ListenerSpec>, Vec<&'u Metadata>) {
    let mut sorted: Vec<&PortUse> = uses.values().flatten().collect();
    sorted.sort_by_key(|entry| entry.metadata.precedence());
    let mut lost = Vec::new();
    let routes = sorted.iter().find_map(|entry| entry.routes.clone());
    let mut ranged: BTreeMap<Cidr, &PortUse> = BTreeMap::new();
    let mut catch_all: Option<&PortUse> = None;
    for entry in sorted.iter().filter(|entry| entry.tcp.is_some()) {
        if entry.ranges.is_empty() {
            match catch_all {
                None => catch_all = Some(entry),
                Some(_) => lost.push(&entry.metadata),
            }
        }
        for range in &entry.ranges {
            if ranged.insert(*range, entry).is_some_and(|older| older.metadata != entry.metadata) {
                lost.push(&entry.metadata);
            }
        }
    }
    let mut chains = Vec::new();
    let mut default_chain = None;
    let access_log = scope.mesh.config().access_log_file.clone();
    let sniffs = routes.is_some() && (catch_all.is_some() || !ranged.is_empty());
    if let Some(routes) = routes {
        let matches = if sniffs {
            ChainMatch {
                application_protocols: vec!["http/1.1".into(), "h2c".into()],
                transport: Some(Transport::RawBuffer),
                ..ChainMatch::default()
            }
        } else {
            ChainMatch::default()
        };
        let stat_prefix = format!("outbound_{}", key.name()).into();
        let http = HttpSpec {
            stat_prefix,
            direction: Direction::Outbound,
            routes: RouteSource::Rds(routes),
            access_log: access_log.clone(),
        };
        chains.push(FilterChainSpec { name: key.name(), matches, network: NetworkSpec::Http(http) });
    }
    for (range, entry) in ranged {
        let matches = ChainMatch { prefix_ranges: vec![range], ..ChainMatch::default() };
        let Some(tcp) = entry.tcp.clone() else { continue };
        chains.push(FilterChainSpec {
            name: format!("{}_{range}", key.name()).into(),
            matches,
            network: NetworkSpec::Tcp(tcp),
        });
    }
    let fallback = match catch_all.and_then(|entry| entry.tcp.clone()) {
        Some(tcp) => Some(tcp),
        // On a shared address, what is no service's goes where unknown traffic goes.
        None if sniffs => Some(unknown(scope)),
        None => None,
    };
    if let Some(tcp) = fallback {
        let name = if sniffs { "PassthroughFilterChain".into() } else { key.name() };
        default_chain =
            Some(FilterChainSpec { name, matches: ChainMatch::default(), network: NetworkSpec::Tcp(tcp) });
    }
    if chains.is_empty() && default_chain.is_none() {
        return (None, lost);
    }
    let mut origins: Vec<_> = sorted
        .iter()
        .filter(|entry| entry.tcp.is_some())
        .map(|entry| entry.metadata.object.clone())
        .collect();
    origins.sort();
    origins.dedup();
    let listener = ListenerSpec {
        name: key.name(),
        address: key.address,
        port: key.port,
        bind_to_port: matches!(scope.key.capture, Capture::None { .. }),
        use_original_dst: false,
        direction: Direction::Outbound,
        inspectors: Inspectors {
            http: sniffs,
            tls: sniffs,
            timeout: scope.mesh.config().protocol_detection_timeout,
            ..Inspectors::default()
        },
        chains,
        default_chain,
        access_log,
        origins: origins.into(),
    };
    (Some(listener), lost)
}

/// Where connections to unknown destinations go.
pub fn unknown(scope: &Scope<'_>) -> TcpSpec {
    let cluster: Str = match scope.outbound_policy() {
        OutboundPolicy::AllowAny => "PassthroughCluster".into(),
        OutboundPolicy::RegistryOnly => "BlackHoleCluster".into(),
    };
    TcpSpec {
        stat_prefix: cluster.clone(),
        clusters: vec![WeightedCluster { cluster, weight: 1, headers: RouteHeaders::default() }],
        idle_timeout: None,
        max_connection_duration: None,
        access_log: scope.mesh.config().access_log_file.clone(),
    }
}
