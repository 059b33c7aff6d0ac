//! In: a sidecar's spec. Out: the bootstrap that an Envoy is started with, the same that istio-agent would write where it
//! matters: node id and metadata, ADS by delta for everything, and the one static cluster that leads to it.

use serde_json::{Map, Value, json};

use super::{EnvoySettings, SidecarSpec};
use crate::HTTP_PROXY_PORT;

/// The bootstrap of one sidecar.
pub fn build_bootstrap(spec: &SidecarSpec, settings: &EnvoySettings) -> Value {
    let EnvoySettings { binary: _, xds: _, run_directory: _, cluster_id: _, domain: _ } = settings;
    json!({
        "node": build_node(spec, settings),
        "admin": { "address": address(&spec.admin().ip().to_string(), spec.admin().port()) },
        "dynamic_resources": build_dynamic_resources(),
        "static_resources": { "clusters": [build_xds_cluster(settings)] },
        "layered_runtime": { "layers": [{
            "name": "static",
            // What Istio allows a regular expression; Envoy's own default refuses longer ones that Istio takes.
            "static_layer": { "re2": { "max_program_size": { "error_level": 32768 } } },
        }] },
        "overload_manager": { "resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.\
                          DownstreamConnectionsConfig",
                "max_active_downstream_connections": 50_000,
            },
        }] },
        "stats_config": build_stats(),
    })
}

fn build_node(spec: &SidecarSpec, settings: &EnvoySettings) -> Value {
    let SidecarSpec { identity, pod_address, application, labels, service_account, locality } = spec;
    let (pod, namespace) = (&identity.pod, &identity.namespace);
    let labels: Map<String, Value> =
        labels.iter().map(|(key, value)| (key.to_string(), Value::from(value.as_ref()))).collect();
    json!({
        "id": format!("sidecar~{pod_address}~{pod}.{namespace}~{namespace}.svc.{}", settings.domain),
        "cluster": format!("{}.{namespace}", identity.workload),
        "locality": {
            "region": locality.region.as_ref(),
            "zone": locality.zone.as_ref(),
            "sub_zone": locality.sub_zone.as_ref(),
        },
        "metadata": {
            "NAME": pod.as_ref(),
            "NAMESPACE": namespace.as_ref(),
            "LABELS": labels,
            "SERVICE_ACCOUNT": service_account.as_ref(),
            "INSTANCE_IPS": pod_address.to_string(),
            "CLUSTER_ID": settings.cluster_id,
            // Nothing captures traffic here: requests come to the proxy port or to explicit listeners.
            "INTERCEPTION_MODE": "NONE",
            "HTTP_PROXY_PORT": HTTP_PROXY_PORT.to_string(),
            "WORKLOAD_NAME": identity.workload.as_ref(),
            // There is no agent beside it that would hand it a certificate.
            "MELTEMI_WITHOUT_IDENTITY": "true",
            "MELTEMI_APPLICATION_ADDRESS": application.to_string(),
        },
    })
}

fn build_dynamic_resources() -> Value {
    // Without a limit: an Envoy that gives up waiting would serve with half a configuration.
    let over_ads = json!({ "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" });
    json!({
        "lds_config": over_ads,
        "cds_config": over_ads,
        "ads_config": {
            "api_type": "DELTA_GRPC",
            "transport_api_version": "V3",
            "set_node_on_first_message_only": true,
            "grpc_services": [{ "envoy_grpc": { "cluster_name": "xds-grpc" } }],
        },
    })
}

fn build_xds_cluster(settings: &EnvoySettings) -> Value {
    let endpoint = address(&settings.xds.ip().to_string(), settings.xds.port());
    let http2 = json!({ "connection_keepalive": { "interval": "30s", "timeout": "10s" } });
    json!({
        "name": "xds-grpc",
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": "xds-grpc",
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": endpoint } }] }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { "http2_protocol_options": http2 },
            },
        },
        "upstream_connection_options": { "tcp_keepalive": { "keepalive_time": 300 } },
    })
}

/// What one looks for when a request goes astray. The rest of an Envoy's stats costs memory for each cluster.
fn build_stats() -> Value {
    let prefixes = [
        "http.inbound",
        "http.outbound",
        "http.http_proxy",
        "tcp.",
        "listener_manager.",
        "cluster_manager.",
        "control_plane.",
        "server.",
        "cluster.xds-grpc.",
    ];
    let suffixes = [
        "upstream_rq_total",
        "upstream_rq_completed",
        "upstream_rq_retry",
        "upstream_rq_timeout",
        "upstream_rq_pending_overflow",
        "upstream_cx_total",
        "upstream_cx_active",
        "upstream_cx_connect_fail",
        "membership_healthy",
        "membership_total",
        "outlier_detection.ejections_active",
        "outlier_detection.ejections_enforced_total",
    ];
    let patterns = prefixes.iter().map(|text| json!({ "prefix": text }));
    let patterns: Vec<Value> =
        patterns.chain(suffixes.iter().map(|text| json!({ "suffix": text }))).collect();
    json!({ "stats_matcher": { "inclusion_list": { "patterns": patterns } } })
}

fn address(ip: &str, port: u16) -> Value {
    json!({ "socket_address": { "address": ip, "port_value": port } })
}
