//! A real Envoy takes what is built: one of each kind, in all the shapes that its own rules do not describe.

use super::given::{
    chain, cluster, endpoint, forward, http, ip, listener, reviews, route, routes, tcp, to, virtual_host,
    well_known,
};
use super::json::json;
use mesh_model::{
    Abort, AbortCode, AccessLog, ClientCertDetails, ConsistentHash, Duration, EndpointAddress, Fault,
    ForwardClientCert, HashKey, HashRing, Http2Keepalive, LoadBalancing, LogFormat, LogValue,
    OutlierDetection, PathMatch, PathNormalization, Percent, Pins, ProxyHeaders, ProxyProtocol, Redirect,
    RedirectPath, Retries, RetryBudget, Rewrite, RewritePath, ServerHeader, SimpleLb, TlsLimits, TlsVersion,
    Warmup,
};
use pilot_envoy::{build_cluster, build_listener};
use pilot_view::spec::{
    ActionSpec, ChainMatch, ClusterDiscovery, ClusterSpec, Direction, DownstreamTls, FilterChainSpec,
    ForwardSpec, HttpSpec, Inspectors, ListenerAddress, ListenerSpec, MirrorSpec, NameLookup, NetworkSpec,
    PeerCheck, PeerName, Preference, RouteMatchSpec, RouteSource, RouteSpec, SniLookup, TcpSpec, Transport,
    UpstreamProtocol, UpstreamSocket, UpstreamTls,
};
use serde_json::{Value, json};
use std::{
    io::Write,
    net::{Ipv4Addr, Ipv6Addr},
    path::Path,
    process::Command,
    sync::Arc,
};

fn clusters() -> Vec<ClusterSpec> {
    let hash = |name: &str, ring| ClusterSpec {
        name: name.into(),
        load_balancing: LoadBalancing::ConsistentHash(ConsistentHash { key: HashKey::SourceIp, ring }),
        ..cluster()
    };
    let mut pool = ClusterSpec { name: "pool".into(), protocol: UpstreamProtocol::Http2, ..cluster() };
    pool.connection_pool.http.idle_timeout = Some(Duration::from_secs(1));
    pool.connection_pool.http.max_concurrent_streams = Some(10);
    pool.outlier_detection = Some(OutlierDetection {
        split_local_origin: true,
        error_codes: vec![429, 503],
        ..Default::default()
    });
    pool.connection_pool.http.http2_keepalive =
        Some(Http2Keepalive { interval: Duration::from_secs(10), timeout: Duration::from_secs(1) });
    pool.retry_budget =
        Some(RetryBudget { percent: Percent::whole(25), minimum: 3, interval: Some(Duration::from_secs(1)) });
    pool.proxy_protocol = Some(ProxyProtocol::V2);
    let slow = |name: &str, algorithm| ClusterSpec {
        name: name.into(),
        load_balancing: LoadBalancing::Simple(algorithm),
        warmup: Some(Warmup {
            duration: Duration::from_secs(30),
            minimum: Percent::whole(10),
            aggression: 1500,
        }),
        ..cluster()
    };
    let named = [endpoint(EndpointAddress::Name("localhost".into())), endpoint(ip(1))];
    let one = [endpoint(EndpointAddress::Name("localhost".into()))];
    let refresh = Duration::from_secs(60);
    let sources = vec![Ipv4Addr::new(127, 0, 0, 6).into(), Ipv6Addr::LOCALHOST.into()];
    let local = ClusterDiscovery::Static {
        address: EndpointAddress::Unix("/run/app.sock".into()),
        port: 0,
        source: None,
    };
    let inbound = ClusterDiscovery::OriginalDst { port: None, sources };
    let pass_through = ClusterDiscovery::OriginalDst { port: Some(80), sources: vec![] };
    vec![
        cluster(),
        hash("ring", HashRing::Ring { minimum_size: 2048 }),
        hash("maglev", HashRing::Maglev { table_size: Some(65_537) }),
        pool,
        slow("slow-least-request", SimpleLb::LeastRequest),
        slow("slow-round-robin", SimpleLb::RoundRobin),
        ClusterSpec { name: "downstream".into(), protocol: UpstreamProtocol::Downstream, ..cluster() },
        ClusterSpec {
            name: "passthrough".into(),
            load_balancing: LoadBalancing::Simple(SimpleLb::Passthrough),
            ..cluster()
        },
        ClusterSpec {
            name: "strict".into(),
            discovery: ClusterDiscovery::StrictDns {
                endpoints: named.into(),
                preference: Preference::Priorities([1, 0].into()),
                refresh,
            },
            ..cluster()
        },
        ClusterSpec {
            name: "logical".into(),
            discovery: ClusterDiscovery::LogicalDns { endpoints: one.into(), refresh },
            ..cluster()
        },
        ClusterSpec {
            name: "auto-mtls".into(),
            socket: UpstreamSocket::Auto(mutual()),
            proxy_protocol: Some(ProxyProtocol::V1),
            protocol: UpstreamProtocol::Downstream,
            ..cluster()
        },
        ClusterSpec { name: "mtls".into(), socket: UpstreamSocket::Tls(mutual()), ..cluster() },
        ClusterSpec { name: "tls".into(), socket: UpstreamSocket::Tls(simple()), ..cluster() },
        ClusterSpec {
            name: "tls-tcp".into(),
            socket: UpstreamSocket::Tls(UpstreamTls { peer: None, ..simple() }),
            protocol: UpstreamProtocol::Tcp,
            ..cluster()
        },
        well_known("dynamic", ClusterDiscovery::Dynamic(NameLookup { refresh })),
        ClusterSpec {
            protocol: UpstreamProtocol::Downstream,
            ..well_known("dynamic-http", ClusterDiscovery::Dynamic(NameLookup { refresh }))
        },
        well_known("BlackHoleCluster", ClusterDiscovery::Nowhere),
        well_known("PassthroughCluster", pass_through),
        well_known("InboundPassthroughCluster", inbound),
        well_known("inbound|8080||", local),
    ]
}

/// To workloads of the mesh.
fn mutual() -> UpstreamTls {
    UpstreamTls {
        certificate: Some("default".into()),
        peer: Some(PeerCheck {
            roots: "ROOTCA".into(),
            names: vec![PeerName::Identity("spiffe://cluster.local/ns/a/sa/b".into())],
            pins: Pins::default(),
        }),
        server_name: Some("outbound_.80_._.a".into()),
        checks_host: false,
        alpn: vec!["istio".into()],
        limits: TlsLimits::default(),
    }
}

/// To servers elsewhere.
fn simple() -> UpstreamTls {
    let names = ["a.example", "10.0.0.1", "a@b.example", "spiffe://a/b"];
    UpstreamTls {
        certificate: None,
        peer: Some(PeerCheck {
            roots: "file-root:system".into(),
            names: names.map(|name| PeerName::Any(name.into())).into(),
            pins: Pins::default(),
        }),
        server_name: None,
        checks_host: true,
        alpn: vec![],
        limits: TlsLimits {
            min_version: TlsVersion::V1_3,
            cipher_suites: vec!["ECDHE-RSA-AES128-GCM-SHA256".into()],
            ecdh_curves: vec!["X25519".into(), "P-256".into()],
        },
    }
}

/// For workloads of the mesh.
fn served_tls() -> DownstreamTls {
    DownstreamTls {
        certificates: vec!["default".into()],
        peer: Some(PeerCheck {
            roots: "ROOTCA".into(),
            names: vec![PeerName::IdentityPrefix("spiffe://cluster.local/".into())],
            pins: Pins {
                keys: vec!["47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=".into()],
                certificates: vec!["e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into()],
            },
        }),
        requires_peer: true,
        alpn: vec!["h2".into(), "http/1.1".into()],
        limits: TlsLimits::default(),
        max_version: TlsVersion::V1_3,
    }
}

/// Routes of every kind.
fn varied() -> Vec<RouteSpec> {
    let percent = Percent::from_whole(1).unwrap();
    let rewritten = ForwardSpec {
        rewrite: Some(Rewrite { path: Some(RewritePath::Matched("/b".into())), authority: "b".into() }),
        retries: Some(Retries { remote_localities: true, ..Retries::default() }),
        timeout: Some(Duration::from_secs(1)),
        hash: vec![HashKey::QueryParameter("user".into())],
        mirrors: vec![MirrorSpec { cluster: "pool".into(), percent }],
        ..forward(vec![to("pool", 1), to("ring", 99)])
    };
    let matches = RouteMatchSpec { path: Some(PathMatch::Regex("/a/.*".into())), ..Default::default() };
    let redirect = Redirect {
        path: Some(RedirectPath::Prefix("/b".into())),
        authority: "b".into(),
        port: None,
        scheme: "https".into(),
        code: 303,
    };
    let under = RouteMatchSpec { path: Some(PathMatch::Prefix("/r".into())), ..Default::default() };
    let abort = Abort { code: AbortCode::Grpc(14), percent };
    vec![
        RouteSpec { matches, ..route(ActionSpec::Forward(rewritten)) },
        RouteSpec { matches: under, ..route(ActionSpec::Redirect(redirect)) },
        RouteSpec {
            fault: Some(Fault { delay: None, abort: Some(abort) }),
            ..route(ActionSpec::Forward(forward(vec![to("gone", 1)])))
        },
    ]
}

/// Every type that JSON has, and every command that takes an extension.
fn json_log() -> Arc<AccessLog> {
    let text = |text: &str| LogValue::Text(text.into());
    let commands = ["%REQ_WITHOUT_QUERY(:PATH)%", "%METADATA(ROUTE:istio:config)%"];
    let fields = [
        ("commands", LogValue::List(commands.map(text).into())),
        ("nested", LogValue::Fields([("code".into(), text("%RESPONSE_CODE%"))].into())),
        ("types", LogValue::List(vec![LogValue::Bool(true), LogValue::Number(7), text("100%%")])),
    ];
    let fields = fields.map(|(name, value)| (name.into(), value));
    super::given::log_of(LogFormat::Json(Some(fields.into())))
}

const LOOKUP: NameLookup = NameLookup { refresh: Duration::from_secs(1) };

fn varied_headers() -> ProxyHeaders {
    ProxyHeaders {
        client_cert: Some(ForwardClientCert::SanitizeSet),
        client_cert_details: Some(ClientCertDetails { cert: true, chain: true, ..Default::default() }),
        server: Some(ServerHeader::PassThrough),
        without_request_id: true,
        without_attempt_count: true,
        without_debug: true,
        forwarded_port: true,
        forwarded_host: true,
        keeps_case: true,
    }
}

fn listeners() -> Vec<ListenerSpec> {
    let sni_lookup = Some(SniLookup { lookup: LOOKUP, port: 443 });
    let NetworkSpec::Tcp(by_name) = tcp(vec![to("dynamic", 1)]) else { unreachable!("it is opaque") };
    let by_name = NetworkSpec::Tcp(TcpSpec { sni_lookup, mongo: true, ..by_name });
    let wanted = ChainMatch { server_names: vec!["*.example.com".into()], ..Default::default() };
    let outbound = chain("", ChainMatch::default(), http(RouteSource::Rds("9080".into())));
    let inline = routes(vec![reviews(), virtual_host("a:80", &["a"], varied())]);
    let served = NetworkSpec::Http(HttpSpec {
        lookup: Some(LOOKUP),
        alpn_by_request: true,
        grpc_web: true,
        stat_prefix: "inbound".into(),
        direction: Direction::Inbound,
        routes: RouteSource::Inline(Arc::new(inline)),
        path_normalization: PathNormalization::DecodeAndMergeSlashes,
        headers: varied_headers(),
        accepts_http10: true,
        connections: Default::default(),
        tracing: None,
        access_log: Some(json_log()),
    });
    // Of requests and of connections.
    let NetworkSpec::Http(requests) = http(RouteSource::Rds("9080".into())) else {
        unreachable!("it is HTTP")
    };
    let told = HttpSpec { access_log: Some(super::given::every_log()), ..requests };
    let told = chain(
        "told",
        ChainMatch { destination_port: Some(9081), ..Default::default() },
        NetworkSpec::Http(told),
    );
    let NetworkSpec::Tcp(of_bytes) = by_name else { unreachable!("it is opaque") };
    let by_name = NetworkSpec::Tcp(TcpSpec { access_log: Some(super::given::every_log()), ..of_bytes });
    let on = |protocols: &[&str]| ChainMatch {
        destination_port: Some(8080),
        application_protocols: protocols.iter().map(|protocol| (*protocol).into()).collect(),
        transport: Some(Transport::RawBuffer),
        ..Default::default()
    };
    let bytes = |name: &str, matches, cluster: &str| -> FilterChainSpec {
        chain(name, matches, tcp(vec![to(cluster, 1)]))
    };
    let encrypted = ChainMatch {
        destination_port: Some(9090),
        transport: Some(Transport::Tls),
        application_protocols: vec!["istio".into()],
        ..Default::default()
    };
    let inspectors = Inspectors {
        original_dst: true,
        original_src: true,
        tls: true,
        http: true,
        skip_tls: vec![25, 3306],
        skip_http: vec![25],
        timeout: Duration::ZERO,
    };
    vec![
        ListenerSpec {
            address: ListenerAddress::Port {
                address: Ipv4Addr::UNSPECIFIED.into(),
                additional: vec![Ipv6Addr::UNSPECIFIED.into()],
                port: 9080,
            },
            access_log: Some(super::given::every_log()),
            ..listener("0.0.0.0_9080", 9080, vec![outbound, told])
        },
        ListenerSpec {
            // As long as a path may be.
            address: ListenerAddress::Unix(format!("/{}", "m".repeat(106)).into()),
            bind_to_port: true,
            ..listener("unix:///mm", 0, vec![chain("all", ChainMatch::default(), tcp(vec![to("pool", 1)]))])
        },
        listener("0.0.0.0_443", 443, vec![chain("names", wanted, by_name)]),
        ListenerSpec {
            direction: Direction::Inbound,
            bind_to_port: true,
            use_original_dst: true,
            exact_balance: true,
            default_chain: Some(bytes("virtualInbound", ChainMatch::default(), "InboundPassthroughCluster")),
            inspectors,
            access_log: Some(super::given::access_log()),
            ..listener(
                "virtualInbound",
                15006,
                vec![
                    chain("0.0.0.0_8080", on(&["http/1.1", "h2c"]), served),
                    bytes("0.0.0.0_8080-tcp", on(&[]), "inbound|8080||"),
                    FilterChainSpec {
                        tls: Some(Arc::new(served_tls())),
                        ..bytes("0.0.0.0_9090", encrypted, "inbound|8080||")
                    },
                ],
            )
        },
    ]
}

#[test]
fn by_a_real_envoy() {
    let Some(binary) = mesh_testkit::Envoy::binary() else { return };
    let ads = json!({
        "name": "xds",
        "type": "STATIC",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
    });
    let mut agent = ads.clone();
    agent["name"] = "sds-grpc".into();
    let mut all: Vec<Value> = vec![ads, agent];
    all.extend(clusters().iter().map(|spec| json(&build_cluster(spec))));
    let bootstrap = json!({
        "node": {"id": "test", "cluster": "test"},
        "dynamic_resources": {"ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "xds"}}],
        }},
        "static_resources": {
            "clusters": all,
            "listeners": listeners().iter().chain(&super::traced::listeners(7000)).map(|spec| json(&build_listener(spec))).collect::<Vec<_>>(),
        },
    });
    let output = validate(&binary, &bootstrap.to_string());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn validate(binary: &Path, bootstrap: &str) -> std::process::Output {
    let mut file = tempfile::Builder::new().suffix(".json").tempfile().unwrap();
    file.write_all(bootstrap.as_bytes()).unwrap();
    Command::new(binary).args(["--mode", "validate", "-c"]).arg(file.path()).output().unwrap()
}
