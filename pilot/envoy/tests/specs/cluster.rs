//! Clusters: discovery, balancing, pools, ejection, protocol, metadata.

use super::given::{cluster, endpoint, ip, well_known};
use super::json::{at, json};
use mesh_model::{
    ConsistentHash, Duration, EndpointAddress, HashKey, HashRing, Http2Keepalive, LoadBalancing,
    NamespacedName, OutlierDetection, Percent, ProxyProtocol, RetryBudget, SimpleLb, TcpKeepalive,
    UpgradePolicy, Warmup,
};
use pilot_envoy::build_cluster;
use pilot_view::spec::{ClusterDiscovery, ClusterSpec, Localities, Preference, UpstreamProtocol};
use serde_json::{Value, json};
use std::net::Ipv4Addr;

fn built(spec: &ClusterSpec) -> Value {
    json(&build_cluster(spec))
}

const HTTP: &str = "/typed_extension_protocol_options/envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

#[test]
fn a_service_without_configuration() {
    assert_eq!(
        built(&cluster()),
        json!({
            "name": "outbound|9080||reviews.shop.svc.cluster.local",
            "alt_stat_name": "outbound|9080||reviews.shop.svc.cluster.local;",
            "type": "EDS",
            "eds_cluster_config": {
                "eds_config": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
                "service_name": "outbound|9080||reviews.shop.svc.cluster.local",
            },
            "connect_timeout": "10s",
            "lb_policy": "LEAST_REQUEST",
            "common_lb_config": {"healthy_panic_threshold": {}},
            "circuit_breakers": {"thresholds": [{
                "max_connections": u32::MAX,
                "max_pending_requests": u32::MAX,
                "max_requests": u32::MAX,
                "max_retries": u32::MAX,
            }]},
            "metadata": {"filter_metadata": {"istio": {"services": [{
                "host": "reviews.shop.svc.cluster.local",
                "name": "reviews",
                "namespace": "shop",
            }]}}},
        })
    );
}

#[test]
fn well_known_clusters() {
    let nowhere = built(&well_known("BlackHoleCluster", ClusterDiscovery::Nowhere));
    assert_eq!(at(&nowhere, "/load_assignment"), &Value::Null);
    assert_eq!(at(&nowhere, "/alt_stat_name"), &Value::Null);

    let sources = vec![Ipv4Addr::new(127, 0, 0, 6).into()];
    let discovery = ClusterDiscovery::OriginalDst { port: Some(8080), sources };
    let inbound = built(&well_known("InboundPassthroughCluster", discovery));
    assert_eq!(at(&inbound, "/type"), "ORIGINAL_DST");
    assert_eq!(at(&inbound, "/lb_policy"), "CLUSTER_PROVIDED");
    assert_eq!(at(&inbound, "/original_dst_lb_config/upstream_port_override"), 8080);
    assert_eq!(at(&inbound, "/upstream_bind_config/source_address/address"), "127.0.0.6");

    let address = EndpointAddress::Ip(Ipv4Addr::LOCALHOST.into());
    let local =
        built(&well_known("inbound|8080||", ClusterDiscovery::Static { address, port: 8080, source: None }));
    let path = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address";
    assert_eq!(at(&local, path), &json!({"address": "127.0.0.1", "port_value": 8080}));
}

#[test]
fn names_are_resolved_by_the_proxy() {
    let host = endpoint(EndpointAddress::Name("api.example.com".into()));
    let discovery = ClusterDiscovery::StrictDns {
        endpoints: [host].into(),
        preference: Preference::None,
        refresh: Duration::from_secs(60),
    };
    let built = built(&ClusterSpec { discovery, ..cluster() });
    assert_eq!(at(&built, "/type"), "STRICT_DNS");
    assert_eq!(at(&built, "/dns_refresh_rate"), "60s");
    assert_eq!(at(&built, "/dns_jitter"), "0.100s");
    assert_eq!(at(&built, "/respect_dns_ttl"), true);
    let address = "/load_assignment/endpoints/0/lb_endpoints/0/endpoint/address/socket_address/address";
    assert_eq!(at(&built, address), "api.example.com");
}

#[test]
fn algorithms() {
    let hash = |ring| LoadBalancing::ConsistentHash(ConsistentHash { key: HashKey::SourceIp, ring });
    let simple = LoadBalancing::Simple;
    let cases = [
        (simple(SimpleLb::Random), "RANDOM", Value::Null, Value::Null),
        // Envoy's default, which is not written.
        (simple(SimpleLb::RoundRobin), "", Value::Null, Value::Null),
        (
            hash(HashRing::Ring { minimum_size: 1024 }),
            "RING_HASH",
            json!({"minimum_ring_size": "1024"}),
            Value::Null,
        ),
        (
            hash(HashRing::Maglev { table_size: Some(65_537) }),
            "MAGLEV",
            Value::Null,
            json!({"table_size": "65537"}),
        ),
        (hash(HashRing::Maglev { table_size: None }), "MAGLEV", Value::Null, Value::Null),
    ];
    for (load_balancing, policy, ring, table) in cases {
        let built = built(&ClusterSpec { load_balancing, ..cluster() });
        assert_eq!(at(&built, "/lb_policy").as_str().unwrap_or_default(), policy);
        assert_eq!(at(&built, "/ring_hash_lb_config"), &ring);
        assert_eq!(at(&built, "/maglev_lb_config"), &table);
    }
}

#[test]
fn passthrough_goes_where_the_client_wanted() {
    let load_balancing = LoadBalancing::Simple(SimpleLb::Passthrough);
    let built = built(&ClusterSpec { load_balancing, ..cluster() });
    assert_eq!(at(&built, "/type"), "ORIGINAL_DST");
    assert_eq!(at(&built, "/lb_policy"), "CLUSTER_PROVIDED");
    assert_eq!(at(&built, "/eds_cluster_config"), &Value::Null);
}

#[test]
fn pools_limit_connections() {
    let mut spec = cluster();
    let tcp = &mut spec.connection_pool.tcp;
    tcp.max_connections = Some(100);
    tcp.connect_timeout = Some(Duration::from_millis(30));
    tcp.keepalive =
        Some(TcpKeepalive { probes: Some(3), time: Some(Duration::from_millis(1_500)), interval: None });
    let http = &mut spec.connection_pool.http;
    http.max_pending_requests = Some(1);
    http.max_retries = Some(0);
    http.max_requests_per_connection = Some(10);
    http.idle_timeout = Some(Duration::from_secs(5));
    let built = built(&spec);
    assert_eq!(at(&built, "/connect_timeout"), "0.030s");
    let thresholds = at(&built, "/circuit_breakers/thresholds/0");
    assert_eq!(thresholds["max_connections"], 100);
    assert_eq!(thresholds["max_pending_requests"], 1);
    assert_eq!(thresholds["max_retries"], u32::MAX, "zero is no limit");
    assert_eq!(
        at(&built, "/upstream_connection_options/tcp_keepalive"),
        &json!({"keepalive_probes": 3, "keepalive_time": 2})
    );
    let options = at(&built, HTTP);
    assert_eq!(
        options["common_http_protocol_options"],
        json!({"idle_timeout": "5s", "max_requests_per_connection": 10})
    );
    assert_eq!(options["explicit_http_config"], json!({"http_protocol_options": {}}));
}

#[test]
fn retries_have_a_budget() {
    let retry_budget = RetryBudget { percent: Percent::whole(20), minimum: 3, interval: None };
    let built = built(&ClusterSpec { retry_budget: Some(retry_budget), ..cluster() });
    assert_eq!(
        at(&built, "/circuit_breakers/thresholds/0/retry_budget"),
        &json!({"budget_percent": {"value": 20.0}, "min_retry_concurrency": 3})
    );
}

#[test]
fn connections_are_pinged() {
    let mut spec = ClusterSpec { protocol: UpstreamProtocol::Http2, ..cluster() };
    let second = Duration::from_secs(1);
    spec.connection_pool.http.http2_keepalive =
        Some(Http2Keepalive { interval: Duration::ZERO, timeout: second });
    assert_eq!(
        at(&built(&spec), HTTP)["explicit_http_config"]["http2_protocol_options"]["connection_keepalive"],
        json!({"interval": "0.001s", "timeout": "1s"})
    );
}

#[test]
fn a_header_goes_before_the_bytes() {
    let built = built(&ClusterSpec { proxy_protocol: Some(ProxyProtocol::V2), ..cluster() });
    let socket = at(&built, "/transport_socket");
    assert_eq!(socket["name"], "envoy.transport_sockets.upstream_proxy_protocol");
    assert_eq!(socket["typed_config"]["config"]["version"], "V2");
    assert_eq!(socket["typed_config"]["transport_socket"]["name"], "envoy.transport_sockets.raw_buffer");
}

#[test]
fn a_new_endpoint_warms_up() {
    let warmup = Warmup { duration: Duration::ZERO, minimum: Percent::whole(10), aggression: 0 };
    for (algorithm, config) in [
        (SimpleLb::LeastRequest, "/least_request_lb_config"),
        (SimpleLb::RoundRobin, "/round_robin_lb_config"),
    ] {
        let load_balancing = LoadBalancing::Simple(algorithm);
        let built = built(&ClusterSpec { load_balancing, warmup: Some(warmup.clone()), ..cluster() });
        assert_eq!(
            at(&built, config)["slow_start_config"],
            json!({
                "slow_start_window": "0.001s",
                "aggression": {"default_value": 0.001, "runtime_key": "("},
                "min_weight_percent": {"value": 10.0},
            })
        );
    }
}

#[test]
fn other_statuses_count_as_errors() {
    let matcher = |codes: &[u16]| {
        let detection = OutlierDetection { error_codes: codes.to_vec(), ..Default::default() };
        let built = built(&ClusterSpec { outlier_detection: Some(detection), ..cluster() });
        at(&built, HTTP)["outlier_detection"]["error_matcher"].clone()
    };
    let status = |code: &str| {
        json!({"http_response_headers_match": {"headers": [
            {"name": ":status", "string_match": {"exact": code}},
        ]}})
    };
    assert_eq!(matcher(&[429]), status("429"));
    assert_eq!(matcher(&[429, 503]), json!({"or_match": {"rules": [status("429"), status("503")]}}));
}

#[test]
fn localities_have_weights_only_where_they_count() {
    let config = |localities| {
        let built = built(&ClusterSpec { localities, ..cluster() });
        let mut config = at(&built, "/common_lb_config").clone();
        config.as_object_mut().unwrap().remove("healthy_panic_threshold");
        config
    };
    assert_eq!(config(Localities::Weighted), json!({"locality_weighted_lb_config": {}}));
    assert_eq!(config(Localities::Usual), json!({}));
    assert_eq!(config(Localities::Ignored), json!({"zone_aware_lb_config": {"routing_enabled": {}}}));
    let zone_aware = |min_cluster_size| config(Localities::ZoneAware { min_cluster_size });
    assert_eq!(zone_aware(None), json!({"zone_aware_lb_config": {}}));
    assert_eq!(zone_aware(Some(3)), json!({"zone_aware_lb_config": {"min_cluster_size": "3"}}));
}

#[test]
fn protocols() {
    use UpstreamProtocol::{Downstream, Http1, Http2, Tcp};
    let speak = |protocol, h2_upgrade, use_client_protocol| {
        let mut spec = ClusterSpec { protocol, ..cluster() };
        spec.connection_pool.http.h2_upgrade = h2_upgrade;
        spec.connection_pool.http.use_client_protocol = use_client_protocol;
        let built = built(&spec);
        let options = at(&built, HTTP);
        match (options.get("explicit_http_config"), options.get("use_downstream_protocol_config")) {
            (Some(explicit), None) if explicit.get("http2_protocol_options").is_some() => "h2",
            (None, Some(_)) => "downstream",
            (None, None) => "none",
            _ => "other",
        }
    };
    assert_eq!(speak(Tcp, UpgradePolicy::Upgrade, true), "none");
    assert_eq!(speak(Http1, UpgradePolicy::Default, false), "none");
    assert_eq!(speak(Http1, UpgradePolicy::Upgrade, false), "h2");
    assert_eq!(speak(Http2, UpgradePolicy::DoNotUpgrade, false), "h2");
    assert_eq!(speak(Downstream, UpgradePolicy::Default, false), "downstream");
    assert_eq!(speak(Http2, UpgradePolicy::Default, true), "downstream");
}

#[test]
fn ejection() {
    let detection = OutlierDetection {
        consecutive_5xx: Some(7),
        consecutive_gateway: Some(0),
        consecutive_local_origin: Some(3),
        split_local_origin: true,
        interval: Some(Duration::from_secs(5)),
        base_ejection_time: Some(Duration::ZERO),
        error_codes: vec![],
        max_ejection: Percent::from_f64(99.5),
        min_health: Percent::from_whole(50),
    };
    let built = built(&ClusterSpec { outlier_detection: Some(detection), ..cluster() });
    assert_eq!(
        at(&built, "/outlier_detection"),
        &json!({
            "consecutive_5xx": 7,
            "enforcing_consecutive_5xx": 100,
            "consecutive_gateway_failure": 0,
            "enforcing_consecutive_gateway_failure": 0,
            "split_external_local_origin_errors": true,
            "consecutive_local_origin_failure": 3,
            "enforcing_consecutive_local_origin_failure": 100,
            "enforcing_success_rate": 0,
            "enforcing_local_origin_success_rate": 0,
            "interval": "5s",
            "max_ejection_percent": 100,
        })
    );
    assert_eq!(at(&built, "/common_lb_config/healthy_panic_threshold/value"), 50.0);
}

#[test]
fn metadata_names_rule_and_subset() {
    let mut spec = ClusterSpec { config: Some(NamespacedName::new("shop", "reviews")), ..cluster() };
    if let Some(service) = &mut spec.service {
        service.subset = "v1".into();
        service.external = true;
    }
    let built = built(&spec);
    let metadata = at(&built, "/metadata/filter_metadata/istio");
    assert_eq!(metadata["config"], "/apis/networking.istio.io/v1/namespaces/shop/destination-rule/reviews");
    assert_eq!(metadata["subset"], "v1");
    assert_eq!(metadata["external"], true);
}

#[test]
fn endpoints_of_static_names_keep_their_addresses() {
    let discovery =
        ClusterDiscovery::LogicalDns { endpoints: [endpoint(ip(7))].into(), refresh: Duration::ZERO };
    let built = built(&ClusterSpec { discovery, ..cluster() });
    assert_eq!(at(&built, "/type"), "LOGICAL_DNS");
    assert_eq!(at(&built, "/dns_refresh_rate"), &Value::Null, "zero is Envoy's default");
}
