//! What Envoy is started with: the same that Istio's agent writes where it matters.
//!
//! In: who the proxy is, where the agent's sockets are and what is listened on. Out: the bootstrap, as JSON: ADS by delta for everything,
//! the static clusters that other configuration names (`xds-grpc`, `sds-grpc`, `agent`, `prometheus_stats`), and the two static listeners
//! for health and Prometheus.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Node, Telemetry};

mod clusters;
mod stats;

pub(super) use clusters::build_assignment;
use clusters::{build_grpc_cluster, build_local_cluster, build_tcp_cluster};
pub use stats::Inclusion;
use stats::build_stats;

/// The listener that Prometheus asks.
pub const PROMETHEUS_PORT: u16 = 15090;
/// The listener that a kubelet asks whether the proxy is ready.
pub const HEALTH_PORT: u16 = 15021;
/// The agent's own HTTP server.
pub const STATUS_PORT: u16 = 15020;
/// Envoy's admin interface.
pub const ADMIN_PORT: u16 = 15000;

/// The cluster of the proxy's own replicas, as Istio calls it.
const LOCAL_CLUSTER: &str = "local_cluster";

/// All that a bootstrap depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// Who the proxy is.
    pub node: Node,
    /// Envoy's admin interface.
    pub admin: SocketAddr,
    /// Where configuration comes from.
    pub source: Source,
    /// Which of Envoy's stats are kept, beside those that are always kept.
    pub stats: Inclusion,
    /// Envoy's runtime flags, beside those that are always set.
    pub runtime: BTreeMap<String, String>,
    /// Whom the proxy tells of itself and of what passes.
    pub telemetry: Telemetry,
}

/// Where an Envoy's configuration comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An agent beside it, which also has its secrets and is asked for its health.
    Agent {
        /// The agent's sockets.
        sockets: Sockets,
        /// What is listened on.
        listen: Listen,
    },
    /// The control plane, in plaintext. Such an Envoy has no secrets.
    ControlPlane(SocketAddr),
}

/// The sockets of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets {
    /// For configuration.
    pub configuration: PathBuf,
    /// For secrets; it may be that of another SPIFFE agent.
    pub secrets: PathBuf,
}

/// Addresses of one proxy, none of which is for traffic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Envoy's admin interface.
    pub admin: SocketAddr,
    /// The agent's HTTP server.
    pub status: SocketAddr,
    /// Envoy's listener for readiness, which asks the agent.
    pub health: SocketAddr,
    /// Envoy's listener for its stats.
    pub prometheus: SocketAddr,
}

/// The bootstrap of one proxy.
pub fn build_bootstrap(bootstrap: &Bootstrap) -> Value {
    let Bootstrap { node, admin, source, stats, runtime, telemetry } = bootstrap;
    let telemetry = match source {
        Source::Agent { .. } => Cow::Borrowed(telemetry),
        Source::ControlPlane(_) => Cow::Owned(telemetry.without_secrets()),
    };
    // Set by the user, over ours.
    let mut flags = json!({
        // What Istio allows a regular expression; Envoy's own default refuses longer ones that Istio takes.
        "re2": { "max_program_size": { "error_level": 32768 } },
    });
    for (flag, value) in runtime {
        flags[flag] = json!(value);
    }
    let mut resources = build_static_resources(*admin, source, telemetry.compressors());
    let mut bootstrap = json!({
        "node": node.build(),
        "admin": { "address": socket(*admin) },
        "dynamic_resources": build_dynamic_resources(),
        "layered_runtime": { "layers": [
            { "name": "static", "static_layer": flags },
            { "name": "admin", "admin_layer": {} },
        ] },
        "overload_manager": { "resource_monitors": [{
            "name": "envoy.resource_monitors.global_downstream_max_connections",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.\
                          DownstreamConnectionsConfig",
                "max_active_downstream_connections": connection_limit(node, runtime),
            },
        }] },
        "stats_config": build_stats(stats, &telemetry.stat_tags()),
        "stats_sinks": telemetry.sinks(),
    });
    let mut more = telemetry.clusters();
    if let Some(tracer) = &telemetry.tracer {
        bootstrap["tracing"] = tracer.tracing(&node.cluster);
    }
    if finds_replicas(node) {
        more.push(build_local_cluster());
        bootstrap["cluster_manager"] = json!({ "local_cluster_name": LOCAL_CLUSTER });
    }
    if let Some(clusters) = resources["clusters"].as_array_mut() {
        clusters.append(&mut more);
    }
    bootstrap["static_resources"] = resources;
    bootstrap
}

/// How many connections it takes where nobody says it.
const CONNECTIONS: u64 = 50_000;

/// In Istio's order: ProxyConfig, the metadata for it, the runtime flag that it was once.
fn connection_limit(node: &Node, runtime: &BTreeMap<String, String>) -> u64 {
    let configured = node.metadata.get("PROXY_CONFIG");
    let configured =
        configured.and_then(|config| config.pointer("/connectionSettings/globalDownstreamConnectionLimit"));
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let said = || node.metadata.get("GLOBAL_DOWNSTREAM_MAX_CONNECTIONS").and_then(number);
    let flag = || runtime.get("overload.global_downstream_max_connections")?.parse().ok();
    let limit = configured.and_then(number).or_else(said).or_else(flag);
    // Envoy refuses less, and what it has no number for.
    limit.filter(|limit| (1..=i64::MAX as u64).contains(limit)).unwrap_or(CONNECTIONS)
}

/// As for Istio's agents: whether the proxy is to know its workload's replicas, which its metadata tells the control plane, too.
fn finds_replicas(node: &Node) -> bool {
    node.metadata.get("ENABLE_SELF_DISCOVERY").is_some_and(|value| value == "true")
}

fn build_static_resources(admin: SocketAddr, source: &Source, compressors: Vec<Value>) -> Value {
    match source {
        Source::ControlPlane(at) => json!({ "clusters": [build_grpc_cluster("xds-grpc", &socket(*at))] }),
        Source::Agent { sockets: Sockets { configuration, secrets }, listen } => {
            let Listen { admin: _, status, health, prometheus } = listen;
            json!({
                "clusters": [
                    build_tcp_cluster("prometheus_stats", admin),
                    build_tcp_cluster("agent", loopback(*status)),
                    build_grpc_cluster("sds-grpc", &pipe(secrets)),
                    build_grpc_cluster("xds-grpc", &pipe(configuration)),
                ],
                "listeners": [
                    build_listener("prometheus", *prometheus, ("/stats/prometheus", "prometheus_stats"), compressors),
                    build_listener("health", *health, ("/healthz/ready", "agent"), Vec::new()),
                ],
            })
        }
    }
}

/// Without a limit: an Envoy that gives up waiting would serve with half a configuration.
fn over_ads() -> Value {
    json!({ "ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3" })
}

fn build_dynamic_resources() -> Value {
    let over_ads = over_ads();
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

/// A listener that answers one path, with what a static cluster says, through these filters.
fn build_listener(
    name: &str,
    at: SocketAddr,
    (path, cluster): (&str, &str),
    mut filters: Vec<Value>,
) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" },
    }));
    json!({
        "name": name,
        "address": socket(at),
        "filter_chains": [{ "filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.\
                          HttpConnectionManager",
                "codec_type": "AUTO",
                "stat_prefix": name,
                "route_config": { "virtual_hosts": [{
                    "name": "backend",
                    "domains": ["*"],
                    "routes": [{ "match": { "path": path }, "route": { "cluster": cluster } }],
                }] },
                "http_filters": filters,
            },
        }] }],
    })
}

fn pipe(path: &Path) -> Value {
    json!({ "pipe": { "path": path } })
}

fn socket(address: SocketAddr) -> Value {
    json!({ "socket_address": { "address": address.ip(), "port_value": address.port() } })
}

/// How a listener on all addresses is reached from this machine.
fn loopback(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
        std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
    };
    SocketAddr::new(ip, address.port())
}
