//! What every sidecar has: virtualOutbound, the HTTP proxy, and the clusters for traffic that no service takes.

use crate::{
    Families, Scope,
    outbound::{HTTP_PROXY, plain_text_http, strangers_socket, unknown},
    spec::{
        CatchAll, ChainMatch, ClusterDiscovery, ClusterSpec, Direction, FilterChainSpec, HttpSpec,
        Inspectors, ListenerAddress, ListenerSpec, Localities, NetworkSpec, RouteConfigurationSpec,
        RouteSource, TcpSpec, UpstreamProtocol, UpstreamSocket, WeightedCluster,
    },
};
use mesh_model::{
    AccessLog, ConnectionPool, Duration, LoadBalancing, Mesh, OutboundPolicy, RouteHeaders, Str,
    TcpKeepalive, UpgradePolicy,
};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// Where requests go whose host is looked up. Istio's name.
pub const ANY_NAME: &str = "AllowAnyDynamicDNSCluster";

/// The source address of connections from a proxy to its own application: redirection rules leave it alone.
pub const INBOUND_SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));

/// The same for each version of IP that the application speaks.
pub fn inbound_sources(families: Families) -> Vec<IpAddr> {
    let v4 = INBOUND_SOURCE;
    let v6: IpAddr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into();
    match families {
        Families::V4 => vec![v4],
        Families::V6 => vec![v6],
        Families::Both => vec![v4, v6],
    }
}

/// A cluster without service.
pub fn plain_cluster(
    mesh: &Mesh,
    name: &str,
    discovery: ClusterDiscovery,
    protocol: UpstreamProtocol,
) -> ClusterSpec {
    ClusterSpec {
        name: name.into(),
        stat_name: None,
        discovery,
        protocol,
        load_balancing: LoadBalancing::default(),
        connection_pool: pool_as_spoken(mesh, None),
        outlier_detection: None,
        warmup: None,
        localities: Localities::Usual,
        retry_budget: None,
        proxy_protocol: None,
        socket: UpstreamSocket::Plain,
        connect_timeout: mesh.config().connect_timeout,
        buffer_limit: None,
        keeps_header_case: false,
        service: None,
        config: None,
        origins: Arc::new([]),
    }
}

/// Settings of connections: a destination's `own` or those of the mesh, with what it leaves open of the mesh's keepalive.
pub fn pool(mesh: &Mesh, own: Option<ConnectionPool>) -> ConnectionPool {
    let defaults = &mesh.config().default_policy;
    let mut pool = own.or_else(|| defaults.connection_pool.clone()).unwrap_or_default();
    pool.tcp.keepalive = match (pool.tcp.keepalive, &mesh.config().keepalive) {
        (own, None) => own,
        (None, Some(mesh)) => Some(mesh.clone()),
        (Some(TcpKeepalive { probes, time, interval }), Some(mesh)) => Some(TcpKeepalive {
            probes: probes.or(mesh.probes),
            time: time.or(mesh.time),
            interval: interval.or(mesh.interval),
        }),
    };
    pool
}

/// The same where no policy has a say in what is spoken: that is up to who is called, or to the client.
pub fn pool_as_spoken(mesh: &Mesh, own: Option<ConnectionPool>) -> ConnectionPool {
    let mut pool = pool(mesh, own);
    pool.http.h2_upgrade = UpgradePolicy::Default;
    pool.http.use_client_protocol = false;
    pool
}

/// Bytes to the one cluster `name`.
pub fn tcp_to(name: &str, access_log: Option<Arc<AccessLog>>) -> TcpSpec {
    TcpSpec {
        stat_prefix: name.into(),
        clusters: vec![WeightedCluster { cluster: name.into(), weight: 1, headers: RouteHeaders::default() }],
        idle_timeout: None,
        max_connection_duration: None,
        hash_source_ip: false,
        tunnel: None,
        mongo: false,
        sni_lookup: None,
        access_log,
    }
}

/// The clusters that each scope has whatever its hosts are.
pub fn scope_clusters(scope: &Scope<'_>) -> Vec<ClusterSpec> {
    let mut clusters = vec![
        plain_cluster(scope.mesh, "BlackHoleCluster", ClusterDiscovery::Nowhere, UpstreamProtocol::Tcp),
        plain_cluster(
            scope.mesh,
            "PassthroughCluster",
            ClusterDiscovery::OriginalDst { port: None, sources: Vec::new() },
            UpstreamProtocol::Downstream,
        ),
    ];
    clusters.extend(scope.stranger_lookup().map(|lookup| {
        let (discovery, socket) = match strangers_socket(scope) {
            Some(socket) => (ClusterDiscovery::Dynamic(lookup), socket),
            None => (ClusterDiscovery::Nowhere, UpstreamSocket::Plain),
        };
        let cluster = plain_cluster(scope.mesh, ANY_NAME, discovery, UpstreamProtocol::Downstream);
        ClusterSpec { socket, ..cluster }
    }));
    clusters.into_iter().map(|cluster| cluster.of_proxy(scope.settings())).collect()
}

/// The listeners that each scope has whatever its hosts are, given the ports on which these are called.
pub fn scope_listeners(scope: &Scope<'_>, ports: &BTreeSet<u16>) -> Vec<ListenerSpec> {
    let door = scope.key.capture.own_door();
    let at = door.unwrap_or(Ipv4Addr::LOCALHOST.into());
    let proxy = scope.http_proxy_port().map(|port| http_proxy(scope, at, port));
    let redirected = door.is_none().then(|| virtual_outbound(scope, ports));
    redirected.into_iter().chain(proxy).collect()
}

/// Takes all that is redirected, and hands it on. `ports` are those that it need not look into: other listeners do.
pub fn virtual_outbound(scope: &Scope<'_>, ports: &BTreeSet<u16>) -> ListenerSpec {
    let config = scope.mesh.config();
    let by_name = strangers_by_name(scope);
    let inspectors = match &by_name {
        None => Inspectors::default(),
        Some(_) => Inspectors {
            // Before the other: ports are those that clients called.
            original_dst: true,
            http: true,
            skip_http: ports.union(&SERVER_FIRST.into()).copied().collect(),
            // A server that speaks first must not wait for ever for a client that waits for it.
            timeout: match config.protocol_detection_timeout {
                Duration::ZERO => DETECTION_LIMIT,
                timeout => timeout,
            },
            ..Inspectors::default()
        },
    };
    let access_log = scope.access_log();
    let loop_guard = loop_guard("virtualOutbound-blackhole", config.outbound_port, access_log.clone());
    ListenerSpec {
        name: "virtualOutbound".into(),
        address: scope.key.families.listening(scope.key.families.any(), config.outbound_port),
        bind_to_port: true,
        use_original_dst: true,
        transparent: scope.key.options.transparent,
        // As in Istio: the listeners that it hands connections on to share them.
        exact_balance: false,
        direction: Direction::Outbound,
        inspectors,
        chains: std::iter::once(loop_guard).chain(by_name).collect(),
        default_chain: Some(FilterChainSpec {
            name: "virtualOutbound-catchall-tcp".into(),
            matches: ChainMatch::default(),
            tls: None,
            network: NetworkSpec::Tcp(unknown(scope)),
        }),
        access_log,
        buffer_limit: scope.settings().connections.listener_buffer,
        origins: Arc::new([]),
    }
}

/// Ports of protocols whose servers speak first, where requests are not looked for. Istio's list.
const SERVER_FIRST: [u16; 4] = [25, 53, 3306, 27017];

/// How long requests are looked for where the mesh sets no limit.
const DETECTION_LIMIT: Duration = Duration::from_secs(5);

/// The chain for requests on ports that no service has: to the name that they ask for, where the mesh has names looked up.
fn strangers_by_name(scope: &Scope<'_>) -> Option<FilterChainSpec> {
    let lookup =
        scope.stranger_lookup().filter(|_| scope.outbound_policy() == OutboundPolicy::AllowAnyDynamicDns)?;
    let name: Str = "virtualOutbound-catchall-http".into();
    let settings = scope.settings();
    let routes = RouteConfigurationSpec {
        name: name.clone(),
        virtual_hosts: Vec::new(),
        catch_all: CatchAll::LookUp,
        vhds: false,
        ignore_port: true,
        attempt_count: !settings.headers.without_attempt_count,
        origins: Arc::new([]),
    };
    let http = HttpSpec {
        stat_prefix: name.clone(),
        direction: Direction::Outbound,
        routes: RouteSource::Inline(Arc::new(routes)),
        lookup: Some(lookup),
        alpn_by_request: false,
        grpc_web: false,
        path_normalization: scope.mesh.config().path_normalization,
        headers: settings.headers.clone(),
        accepts_http10: scope.key.options.accepts_http10,
        connections: scope.key.options.limit(&settings.connections),
        tracing: scope.tracing(),
        access_log: scope.access_log(),
    };
    Some(FilterChainSpec {
        name,
        matches: plain_text_http(ChainMatch::default()),
        tls: None,
        network: NetworkSpec::Http(http),
    })
}

/// Drops connections made to the proxy's own port, which would come back for ever.
pub fn loop_guard(name: &str, port: u16, access_log: Option<Arc<AccessLog>>) -> FilterChainSpec {
    FilterChainSpec {
        name: name.into(),
        matches: ChainMatch { destination_port: Some(port), ..ChainMatch::default() },
        tls: None,
        network: NetworkSpec::Tcp(tcp_to("BlackHoleCluster", access_log)),
    }
}

fn http_proxy(scope: &Scope<'_>, bind: IpAddr, port: u16) -> ListenerSpec {
    let access_log = scope.access_log();
    let name: Str = format!("{bind}_{port}").into();
    let http = HttpSpec {
        stat_prefix: format!("outbound_{name}").into(),
        direction: Direction::Outbound,
        routes: RouteSource::Rds(HTTP_PROXY.into()),
        lookup: scope.lookup().or_else(|| scope.stranger_lookup()),
        alpn_by_request: scope.key.has_identity,
        grpc_web: false,
        path_normalization: scope.mesh.config().path_normalization,
        headers: scope.settings().headers.clone(),
        accepts_http10: scope.key.options.accepts_http10,
        connections: scope.key.options.limit(&scope.settings().connections),
        tracing: scope.tracing(),
        access_log: access_log.clone(),
    };
    ListenerSpec {
        address: ListenerAddress::port(bind, port),
        bind_to_port: true,
        use_original_dst: false,
        transparent: false,
        exact_balance: scope.key.options.balances_outbound,
        direction: Direction::Outbound,
        inspectors: Inspectors::default(),
        chains: vec![FilterChainSpec {
            name: name.clone(),
            matches: ChainMatch::default(),
            tls: None,
            network: NetworkSpec::Http(http),
        }],
        default_chain: None,
        access_log,
        buffer_limit: scope.settings().connections.listener_buffer,
        origins: Arc::new([]),
        name,
    }
}
