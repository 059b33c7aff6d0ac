//! Plain specs, which tests change in the place that they are about.

use mesh_model::{
    AccessLog, AccessLogger, ConnectionPool, Duration, Endpoint, EndpointAddress, Health, Host, Labels,
    LoadBalancing, Locality, LogFile, LogFormat, LogProtocol, LogService, PathNormalization, ProviderService,
    RouteHeaders, Str,
};
use pilot_view::spec::{
    ActionSpec, CatchAll, ChainMatch, ClusterDiscovery, ClusterSpec, Direction, FilterChainSpec, ForwardSpec,
    HttpSpec, Inspectors, ListenerAddress, ListenerSpec, Localities, NetworkSpec, RouteConfigurationSpec,
    RouteMatchSpec, RouteSource, RouteSpec, ServiceRef, TcpSpec, UpstreamProtocol, UpstreamSocket,
    VirtualHostSpec, WeightedCluster,
};
use std::{net::Ipv4Addr, sync::Arc};

pub const REVIEWS: &str = "outbound|9080||reviews.shop.svc.cluster.local";

pub fn cluster() -> ClusterSpec {
    ClusterSpec {
        name: REVIEWS.into(),
        stat_name: None,
        discovery: ClusterDiscovery::Eds,
        protocol: UpstreamProtocol::Http1,
        load_balancing: LoadBalancing::default(),
        connection_pool: ConnectionPool::default(),
        outlier_detection: None,
        warmup: None,
        localities: Localities::Usual,
        retry_budget: None,
        proxy_protocol: None,
        socket: UpstreamSocket::Plain,
        connect_timeout: Duration::from_secs(10),
        buffer_limit: None,
        keeps_header_case: false,
        service: Some(ServiceRef {
            host: mesh_model::Host::new("reviews.shop.svc.cluster.local"),
            name: "reviews".into(),
            namespace: "shop".into(),
            subset: "".into(),
            external: false,
        }),
        config: None,
        origins: Default::default(),
    }
}

pub fn well_known(name: &str, discovery: ClusterDiscovery) -> ClusterSpec {
    ClusterSpec { name: name.into(), discovery, protocol: UpstreamProtocol::Tcp, service: None, ..cluster() }
}

pub fn endpoint(address: EndpointAddress) -> Endpoint {
    Endpoint {
        address,
        port: 9080,
        weight: 1,
        health: Health::Healthy,
        locality: Locality::default(),
        labels: Arc::new(Labels::new()),
        service_account: "".into(),
        workload: "".into(),
        namespace: "shop".into(),
        network: "".into(),
        node: "".into(),
        hostname: "".into(),
        mtls: false,
    }
}

pub fn ip(last: u8) -> EndpointAddress {
    EndpointAddress::Ip(Ipv4Addr::new(10, 0, 0, last).into())
}

pub fn to(cluster: &str, weight: u32) -> WeightedCluster {
    WeightedCluster { cluster: cluster.into(), weight, headers: RouteHeaders::default() }
}

pub fn forward(clusters: Vec<WeightedCluster>) -> ForwardSpec {
    ForwardSpec {
        by_name: false,
        clusters,
        timeout: None,
        retries: None,
        rewrite: None,
        forwarded_host: false,
        hash: Vec::new(),
        mirrors: Vec::new(),
    }
}

pub fn route(action: ActionSpec) -> RouteSpec {
    RouteSpec {
        name: "default".into(),
        matches: RouteMatchSpec::default(),
        action,
        headers: RouteHeaders::default(),
        fault: None,
        cors: None,
        operation: "".into(),
        stat_prefix: "".into(),
        config: None,
    }
}

pub fn virtual_host(name: &str, domains: &[&str], routes: Vec<RouteSpec>) -> VirtualHostSpec {
    VirtualHostSpec {
        route_configuration: "9080".into(),
        name: name.into(),
        domains: domains.iter().map(|domain| Str::from(*domain)).collect(),
        routes,
        attempt_count: true,
        origins: Default::default(),
    }
}

/// The virtual host of one service with nothing configured.
pub fn reviews() -> VirtualHostSpec {
    let routes = vec![route(ActionSpec::Forward(forward(vec![to(REVIEWS, 1)])))];
    virtual_host(
        "reviews.shop.svc.cluster.local:9080",
        &["reviews.shop.svc.cluster.local", "reviews"],
        routes,
    )
}

pub fn routes(virtual_hosts: Vec<VirtualHostSpec>) -> RouteConfigurationSpec {
    RouteConfigurationSpec {
        name: "9080".into(),
        virtual_hosts: virtual_hosts.into_iter().map(Arc::new).collect(),
        catch_all: CatchAll::AllowAny,
        vhds: false,
        ignore_port: true,
        attempt_count: true,
        origins: Default::default(),
    }
}

pub fn http(routes: RouteSource) -> NetworkSpec {
    NetworkSpec::Http(HttpSpec {
        lookup: None,
        alpn_by_request: false,
        grpc_web: false,
        stat_prefix: "outbound_0.0.0.0_9080;".into(),
        direction: Direction::Outbound,
        routes,
        path_normalization: PathNormalization::default(),
        headers: Default::default(),
        accepts_http10: false,
        connections: Default::default(),
        tracing: None,
        access_log: None,
    })
}

pub fn tcp(clusters: Vec<WeightedCluster>) -> NetworkSpec {
    NetworkSpec::Tcp(TcpSpec {
        mongo: false,
        sni_lookup: None,
        stat_prefix: "PassthroughCluster".into(),
        clusters,
        idle_timeout: None,
        max_connection_duration: None,
        hash_source_ip: false,
        tunnel: None,
        access_log: None,
    })
}

pub fn chain(name: &str, matches: ChainMatch, network: NetworkSpec) -> FilterChainSpec {
    FilterChainSpec { name: name.into(), matches, tls: None, network }
}

pub fn listener(name: &str, port: u16, chains: Vec<FilterChainSpec>) -> ListenerSpec {
    ListenerSpec {
        name: name.into(),
        address: ListenerAddress::port(Ipv4Addr::UNSPECIFIED.into(), port),
        bind_to_port: false,
        use_original_dst: false,
        transparent: false,
        exact_balance: false,
        direction: Direction::Outbound,
        inspectors: Inspectors::default(),
        chains,
        default_chain: None,
        access_log: None,
        buffer_limit: None,
        origins: Default::default(),
    }
}

/// Istio's format, on standard output.
pub fn access_log() -> Arc<AccessLog> {
    log_of(LogFormat::Text(None))
}

pub fn log_of(format: LogFormat) -> Arc<AccessLog> {
    let file = LogFile { path: "/dev/stdout".into(), format, omit_empty: false };
    Arc::new(AccessLog { loggers: vec![AccessLogger::File(file)], listeners: true })
}

/// Everybody who can be told, with the commands that take an extension.
pub fn every_log() -> Arc<AccessLog> {
    let service = |name: &str, protocol| {
        let to = ProviderService { namespace: None, host: Host::new("logs.example.com"), port: 9001 };
        AccessLogger::Service(LogService { to, name: name.into(), protocol })
    };
    let names = |name: &str| vec![Str::from(name)];
    let requests = LogProtocol::Http {
        filter_state: names("wasm.peer"),
        request_headers: names(":authority"),
        response_headers: names("x-cost"),
        response_trailers: names("grpc-status"),
    };
    let attributes = [("path".into(), "%REQ_WITHOUT_QUERY(:PATH)%".into())];
    let records = LogProtocol::Otlp {
        body: Some("%METADATA(ROUTE:istio:config)%".into()),
        attributes: attributes.into(),
    };
    let loggers = vec![
        AccessLogger::Bootstrap,
        service("requests", requests),
        service("connections", LogProtocol::Tcp { filter_state: names("wasm.peer") }),
        service("records", records),
        service("usual", LogProtocol::Otlp { body: None, attributes: Default::default() }),
    ];
    Arc::new(AccessLog { loggers, listeners: true })
}
