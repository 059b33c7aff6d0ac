//! Listeners: chains, inspectors, connection managers, TCP proxies, access logs.

use super::given::{chain, http, listener, reviews, routes, tcp, to};
use super::json::{at, json};
use mesh_model::{Cidr, Duration, Tunnel};
use pilot_envoy::build_listener;
use pilot_view::spec::{
    ChainMatch, Direction, HttpSpec, Inspectors, ListenerSpec, NetworkSpec, RouteSource, TcpSpec, Transport,
};
use serde_json::{Value, json};
use std::{net::Ipv4Addr, sync::Arc};

const MANAGER: &str = "/filter_chains/0/filters/0/typed_config";

#[test]
fn a_port_with_routes_over_rds() {
    let chain = chain("", ChainMatch::default(), http(RouteSource::Rds("9080".into())));
    let built = json(&build_listener(&listener("0.0.0.0_9080", 9080, vec![chain])));
    let empty =
        |name: &str| json!({"@type": format!("type.googleapis.com/envoy.extensions.filters.http.{name}")});
    let filter = |name: &str, config: &str| json!({"name": format!("envoy.filters.http.{name}"), "typed_config": empty(config)});
    assert_eq!(
        built,
        json!({
            "name": "0.0.0.0_9080",
            "address": {"socket_address": {"address": "0.0.0.0", "port_value": 9080}},
            "bind_to_port": false,
            "traffic_direction": "OUTBOUND",
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
                    "stat_prefix": "outbound_0.0.0.0_9080;",
                    "rds": {
                        "route_config_name": "9080",
                        "config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"},
                    },
                    "http_filters": [
                        filter("fault", "fault.v3.HTTPFault"),
                        filter("cors", "cors.v3.Cors"),
                        filter("router", "router.v3.Router"),
                    ],
                    "generate_request_id": true,
                    "normalize_path": true,
                    "proxy_100_continue": true,
                    "request_id_extension": {"typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
                        "use_request_id_for_trace_sampling": true,
                    }},
                    "server_name": "istio-envoy",
                    "stream_idle_timeout": "0s",
                    "upgrade_configs": [{"upgrade_type": "websocket"}],
                    "use_remote_address": false,
                },
            }]}],
        })
    );
}

#[test]
fn inbound_tells_the_application_who_called() {
    let spec = HttpSpec {
        lookup: None,
        alpn_by_request: false,
        grpc_web: false,
        stat_prefix: "inbound_0.0.0.0_9080;".into(),
        direction: Direction::Inbound,
        routes: RouteSource::Inline(Arc::new(routes(vec![reviews()]))),
        path_normalization: mesh_model::PathNormalization::MergeSlashes,
        headers: Default::default(),
        accepts_http10: false,
        connections: Default::default(),
        tracing: None,
        access_log: Some(super::given::access_log()),
    };
    let matches = ChainMatch {
        source_ranges: vec![Cidr { address: Ipv4Addr::new(10, 2, 0, 0).into(), length: 16 }],
        destination_port: Some(9080),
        prefix_ranges: vec![Cidr { address: Ipv4Addr::new(10, 0, 0, 0).into(), length: 8 }],
        server_names: vec!["a.example".into()],
        application_protocols: vec!["h2c".into()],
        transport: Some(Transport::RawBuffer),
    };
    let chain = chain("0.0.0.0_9080", matches, NetworkSpec::Http(spec));
    let spec = ListenerSpec {
        direction: Direction::Inbound,
        bind_to_port: true,
        use_original_dst: true,
        ..listener("virtualInbound", 15006, vec![chain])
    };
    let built = json(&build_listener(&spec));
    assert_eq!(built["traffic_direction"], "INBOUND");
    assert_eq!(built["bind_to_port"], Value::Null);
    assert_eq!(built["use_original_dst"], true);
    let manager = at(&built, MANAGER);
    assert_eq!(manager["forward_client_cert_details"], "APPEND_FORWARD");
    assert_eq!(
        manager["set_current_client_cert_details"],
        json!({"subject": true, "dns": true, "uri": true})
    );
    assert_eq!(manager["route_config"]["virtual_hosts"].as_array().unwrap().len(), 2);
    assert_eq!(at(manager, "/access_log/0/typed_config/path"), "/dev/stdout");
    assert_eq!((&manager["normalize_path"], &manager["merge_slashes"]), (&json!(true), &json!(true)));
    assert_eq!(
        at(&built, "/filter_chains/0/filter_chain_match"),
        &json!({
            "destination_port": 9080,
            "prefix_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}],
            "source_prefix_ranges": [{"address_prefix": "10.2.0.0", "prefix_len": 16}],
            "server_names": ["a.example"],
            "application_protocols": ["h2c"],
            "transport_protocol": "raw_buffer",
        })
    );
}

#[test]
fn inspectors_leave_declared_ports_alone() {
    let inspectors = Inspectors {
        original_dst: true,
        original_src: false,
        tls: true,
        http: true,
        skip_tls: vec![3306, 5432],
        skip_http: vec![3306, 5432],
        timeout: Duration::ZERO,
    };
    let chain = chain("virtualInbound", ChainMatch::default(), tcp(vec![to("InboundPassthroughCluster", 1)]));
    let built =
        json(&build_listener(&ListenerSpec { inspectors, ..listener("virtualInbound", 15006, vec![chain]) }));
    let filters = built["listener_filters"].as_array().unwrap();
    let names: Vec<_> = filters.iter().map(|filter| filter["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "envoy.filters.listener.original_dst",
            "envoy.filters.listener.tls_inspector",
            "envoy.filters.listener.http_inspector",
        ]
    );
    assert_eq!(filters[0]["filter_disabled"], Value::Null);
    let skipped = json!({"or_match": {"rules": [
        {"destination_port_range": {"start": 3306, "end": 3307}},
        {"destination_port_range": {"start": 5432, "end": 5433}},
    ]}});
    assert_eq!(filters[1]["filter_disabled"], skipped);
    assert_eq!(filters[2]["filter_disabled"], skipped);
    assert_eq!(at(&filters[1], "/typed_config/initial_read_buffer_size"), 512);
    assert_eq!(built["listener_filters_timeout"], "0s");
    assert_eq!(built["continue_on_listener_filters_timeout"], true);
}

#[test]
fn bytes_are_forwarded() {
    let spec = TcpSpec {
        mongo: false,
        sni_lookup: None,
        stat_prefix: "outbound|3306||db.shop.svc.cluster.local".into(),
        clusters: vec![to("v1", 3), to("v2", 1)],
        idle_timeout: Some(Duration::ZERO),
        max_connection_duration: Some(Duration::from_secs(60)),
        hash_source_ip: true,
        tunnel: Some(Tunnel { target: "db.example.com:3306".into(), post: true }),
        access_log: None,
    };
    let spec = ListenerSpec {
        default_chain: Some(chain("all", ChainMatch::default(), NetworkSpec::Tcp(spec))),
        access_log: Some(super::given::access_log()),
        ..listener("10.0.0.1_3306", 3306, Vec::new())
    };
    let built = json(&build_listener(&spec));
    assert_eq!(
        at(&built, "/default_filter_chain/filters/0/typed_config"),
        &json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "outbound|3306||db.shop.svc.cluster.local",
            "weighted_clusters": {"clusters": [{"name": "v1", "weight": 3}, {"name": "v2", "weight": 1}]},
            "idle_timeout": "0s",
            "max_downstream_connection_duration": "60s",
            "hash_policy": [{"source_ip": {}}],
            "tunneling_config": {"hostname": "db.example.com:3306", "use_post": true},
        })
    );
    assert_eq!(at(&built, "/access_log/0/filter/response_flag_filter/flags"), &json!(["NR"]));
}
