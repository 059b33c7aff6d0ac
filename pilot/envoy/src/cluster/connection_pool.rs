//! `connectionPool` and `retryBudget`: circuit breakers and keepalive. The HTTP settings of connections are applied with the protocol.

use crate::envoy::cluster::circuit_breakers::{Thresholds, thresholds};
use crate::envoy::cluster::{CircuitBreakers, Cluster, UpstreamConnectionOptions};
use crate::envoy::{core, wkt};
use crate::value::{duration, percent, uint32};
use mesh_model::{ConnectionPool, Duration, HttpPool, RetryBudget, TcpKeepalive, TcpPool};

/// Applies the limits and the keepalive of connections.
pub(super) fn apply_connection_pool(
    pool: &ConnectionPool,
    budget: Option<&RetryBudget>,
    cluster: &mut Cluster,
) {
    let ConnectionPool { tcp, http } = pool;
    let TcpPool {
        max_connections,
        connect_timeout: _, // Applied with the cluster's own default.
        keepalive,
        max_connection_duration: _, // Of HTTP connections: applied with the protocol. Of others: part of listeners.
        idle_timeout: _,            // Of connections that carry bytes: part of listeners.
    } = tcp;
    let HttpPool {
        max_pending_requests,
        max_requests,
        max_requests_per_connection: _, // Applied with the protocol, as are all the following.
        max_retries,
        idle_timeout: _,
        h2_upgrade: _,
        use_client_protocol: _,
        max_concurrent_streams: _,
        http2_keepalive: _,
    } = http;
    cluster.circuit_breakers = Some(CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: limit(*max_connections),
            max_pending_requests: limit(*max_pending_requests),
            max_requests: limit(*max_requests),
            max_retries: limit(*max_retries),
            retry_budget: budget.map(build_retry_budget),
            ..Default::default()
        }],
        ..Default::default()
    });
    if let Some(keepalive) = keepalive {
        cluster.upstream_connection_options = Some(UpstreamConnectionOptions {
            tcp_keepalive: Some(build_keepalive(keepalive)),
            ..Default::default()
        });
    }
}

/// No limit unless one is given: Envoy's own defaults (1,024 requests, 3 retries) trip while pods are replaced. Zero is
/// no limit either, as in Istio, whose API cannot tell it from absence.
fn limit(limit: Option<u32>) -> Option<wkt::UInt32Value> {
    uint32(limit.filter(|limit| *limit > 0).unwrap_or(u32::MAX))
}

/// Where there is a budget, Envoy does not look at the fixed number of retries.
fn build_retry_budget(budget: &RetryBudget) -> thresholds::RetryBudget {
    let RetryBudget { percent: share, minimum, interval } = budget;
    thresholds::RetryBudget {
        budget_percent: Some(percent(*share)),
        min_retry_concurrency: uint32(*minimum),
        budget_interval: interval.filter(|interval| !interval.is_zero()).map(duration),
    }
}

fn build_keepalive(keepalive: &TcpKeepalive) -> core::TcpKeepalive {
    let TcpKeepalive { probes, time, interval } = keepalive;
    core::TcpKeepalive {
        keepalive_probes: probes.and_then(uint32),
        keepalive_time: time.and_then(whole_seconds),
        keepalive_interval: interval.and_then(whole_seconds),
    }
}

/// Sockets count in seconds; a fraction of one is one.
fn whole_seconds(duration: Duration) -> Option<wkt::UInt32Value> {
    let seconds = duration.as_nanos().div_ceil(1_000_000_000);
    uint32(u32::try_from(seconds).unwrap_or(u32::MAX))
}
