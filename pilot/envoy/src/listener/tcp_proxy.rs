//! TCP proxy: forwards bytes.

use crate::access_log::{Told, build_access_log};
use crate::envoy::kind::HashPolicy;
use crate::envoy::kind::hash_policy::{PolicySpecifier, SourceIp};
use crate::envoy::tcp_proxy::TcpProxy;
use crate::envoy::tcp_proxy::tcp_proxy as config;
use crate::value::duration;
use mesh_model::Tunnel;
use pilot_view::spec::{TcpSpec, WeightedCluster};

/// The TCP proxy that the spec describes.
pub(super) fn build_tcp_proxy(spec: &TcpSpec) -> TcpProxy {
    let TcpSpec {
        stat_prefix,
        clusters,
        idle_timeout,
        max_connection_duration,
        hash_source_ip,
        tunnel,
        mongo: _, // Filters of their own, before this one.
        sni_lookup: _,
        access_log,
    } = spec;
    TcpProxy {
        stat_prefix: stat_prefix.to_string(),
        cluster_specifier: Some(build_clusters(clusters)),
        idle_timeout: idle_timeout.map(duration),
        // Envoy refuses durations under a millisecond; none at all is no limit.
        max_downstream_connection_duration: max_connection_duration
            .filter(|limit| limit.as_nanos() >= 1_000_000)
            .map(duration),
        access_log: build_access_log(access_log.as_deref(), Told::Connections),
        hash_policy: hash_source_ip.then(by_source_ip).into_iter().collect(),
        tunneling_config: tunnel.as_ref().map(build_tunnel),
        ..Default::default()
    }
}

fn by_source_ip() -> HashPolicy {
    HashPolicy { policy_specifier: Some(PolicySpecifier::SourceIp(SourceIp {})) }
}

fn build_tunnel(tunnel: &Tunnel) -> config::TunnelingConfig {
    let Tunnel { target, post } = tunnel;
    config::TunnelingConfig { hostname: target.to_string(), use_post: *post, ..Default::default() }
}

fn build_clusters(clusters: &[WeightedCluster]) -> config::ClusterSpecifier {
    match clusters {
        [WeightedCluster { cluster, weight: _, headers: _ }] => {
            config::ClusterSpecifier::Cluster(cluster.to_string())
        }
        clusters => {
            let weigh = |WeightedCluster { cluster, weight, headers: _ }: &WeightedCluster| {
                config::weighted_cluster::ClusterWeight {
                    name: cluster.to_string(),
                    weight: (*weight).max(1),
                    metadata_match: None,
                }
            };
            config::ClusterSpecifier::WeightedClusters(config::WeightedCluster {
                clusters: clusters.iter().map(weigh).collect(),
            })
        }
    }
}
