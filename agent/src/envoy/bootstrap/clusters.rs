//! The static clusters of a bootstrap.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::{LOCAL_CLUSTER, over_ads, socket};

/// The replicas of the proxy's own workload: by how many of them are in its zone it knows what share of all requests is its zone's.
pub(super) fn build_local_cluster() -> Value {
    json!({
        "name": LOCAL_CLUSTER,
        "type": "EDS",
        "connect_timeout": "1s",
        "eds_cluster_config": { "eds_config": over_ads(), "service_name": LOCAL_CLUSTER },
    })
}

pub(super) fn build_tcp_cluster(name: &str, at: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": build_assignment(name, &socket(at)),
    })
}

pub(super) fn build_grpc_cluster(name: &str, address: &Value) -> Value {
    let http2 = json!({ "connection_keepalive": { "interval": "30s", "timeout": "10s" } });
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": build_assignment(name, address),
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": http2 },
            },
        },
        "upstream_connection_options": { "tcp_keepalive": { "keepalive_time": 300 } },
    })
}

pub(in crate::envoy) fn build_assignment(cluster: &str, address: &Value) -> Value {
    json!({
        "cluster_name": cluster,
        "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
    })
}
