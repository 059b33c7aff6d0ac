//! `loadBalancer`: which endpoint gets a request. What a consistent hash hashes is part of routes, not of clusters.

use crate::envoy::cluster::Cluster;
use crate::envoy::cluster::cluster::{
    ClusterDiscoveryType, DiscoveryType, LbConfig, LbPolicy, LeastRequestLbConfig, MaglevLbConfig,
    RingHashLbConfig, RoundRobinLbConfig, SlowStartConfig,
};
use crate::envoy::core;
use crate::value::{duration, percent, uint64};
use mesh_model::{ConsistentHash, Duration, HashRing, LoadBalancing, SimpleLb, Warmup};

/// The largest ring that Envoy accepts.
const LARGEST_RING: u64 = 8 * 1024 * 1024;

/// The largest Maglev table that Envoy accepts.
const LARGEST_TABLE: u64 = 5_000_011;

/// Applies the algorithm. A cluster to the original destination, or to any name, balances nothing, whatever the policy says.
pub(super) fn apply_load_balancing(
    load_balancing: &LoadBalancing,
    warmup: Option<&Warmup>,
    cluster: &mut Cluster,
) {
    let is_dynamic = matches!(cluster.cluster_discovery_type, Some(ClusterDiscoveryType::ClusterType(_)));
    if is_original_dst(cluster) || is_dynamic {
        cluster.lb_policy = LbPolicy::ClusterProvided as i32;
        return;
    }
    let policy = match load_balancing {
        LoadBalancing::Simple(SimpleLb::LeastRequest) => {
            cluster.lb_config = warmup.map(|warmup| {
                let slow_start_config = Some(build_slow_start(warmup));
                LbConfig::LeastRequestLbConfig(LeastRequestLbConfig {
                    slow_start_config,
                    ..Default::default()
                })
            });
            LbPolicy::LeastRequest
        }
        LoadBalancing::Simple(SimpleLb::Random) => LbPolicy::Random,
        LoadBalancing::Simple(SimpleLb::RoundRobin) => {
            cluster.lb_config = warmup.map(|warmup| {
                LbConfig::RoundRobinLbConfig(RoundRobinLbConfig {
                    slow_start_config: Some(build_slow_start(warmup)),
                })
            });
            LbPolicy::RoundRobin
        }
        LoadBalancing::Simple(SimpleLb::Passthrough) => {
            pass_through(cluster);
            LbPolicy::ClusterProvided
        }
        LoadBalancing::ConsistentHash(hash) => apply_consistent_hash(hash, cluster),
    };
    cluster.lb_policy = policy as i32;
}

fn build_slow_start(warmup: &Warmup) -> SlowStartConfig {
    let Warmup { duration: window, minimum, aggression } = warmup;
    SlowStartConfig {
        // Envoy refuses none at all.
        slow_start_window: Some(duration((*window).max(Duration::from_millis(1)))),
        aggression: Some(core::RuntimeDouble {
            default_value: f64::from((*aggression).max(1)) / 1000.0,
            // Nobody sets a key of this name: the value is fixed.
            runtime_key: "(".to_owned(),
        }),
        min_weight_percent: Some(percent(*minimum)),
    }
}

fn is_original_dst(cluster: &Cluster) -> bool {
    cluster.cluster_discovery_type == Some(ClusterDiscoveryType::Type(DiscoveryType::OriginalDst as i32))
}

/// `PASSTHROUGH` overrides where endpoints come from: to the address that the client asked for.
fn pass_through(cluster: &mut Cluster) {
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(DiscoveryType::OriginalDst as i32));
    cluster.eds_cluster_config = None;
    cluster.load_assignment = None;
}

fn apply_consistent_hash(hash: &ConsistentHash, cluster: &mut Cluster) -> LbPolicy {
    let ConsistentHash { key: _, ring } = hash; // The key goes into routes.
    match ring {
        HashRing::Ring { minimum_size } => {
            cluster.lb_config = Some(LbConfig::RingHashLbConfig(RingHashLbConfig {
                minimum_ring_size: uint64((*minimum_size).clamp(1, LARGEST_RING)),
                ..Default::default()
            }));
            LbPolicy::RingHash
        }
        HashRing::Maglev { table_size } => {
            cluster.lb_config = table_size.map(|size| {
                LbConfig::MaglevLbConfig(MaglevLbConfig { table_size: uint64(size.min(LARGEST_TABLE)) })
            });
            LbPolicy::Maglev
        }
    }
}
