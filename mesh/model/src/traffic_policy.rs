//! TrafficPolicy and its blocks. An absent block inherits; a present one is used as it is.

mod connection_pool;
mod load_balancer;

pub use connection_pool::{ConnectionPool, Http2Keepalive, HttpPool, TcpKeepalive, TcpPool, UpgradePolicy};
pub use load_balancer::{ConsistentHash, HashKey, HashRing, LoadBalancer, LoadBalancing, SimpleLb, Warmup};

use crate::{ClientTls, Duration, Percent, Str};
use serde::Serialize;
use std::collections::BTreeMap;

/// Istio's TrafficPolicy: blocks that a subset may override one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TrafficPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
    /// `connectionPool`.
    pub connection_pool: Option<ConnectionPool>,
    /// `outlierDetection`.
    pub outlier_detection: Option<OutlierDetection>,
    /// `proxyProtocol`.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// `retryBudget`.
    pub retry_budget: Option<RetryBudget>,
    /// `tls`.
    pub tls: Option<ClientTls>,
    /// `tunnel`.
    pub tunnel: Option<Tunnel>,
    /// `portLevelSettings`, by service port number.
    pub ports: BTreeMap<u16, PortPolicy>,
}

/// Istio's PortTrafficPolicy: for its port it replaces the whole policy of its level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PortPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
    /// `connectionPool`.
    pub connection_pool: Option<ConnectionPool>,
    /// `outlierDetection`.
    pub outlier_detection: Option<OutlierDetection>,
    /// `tls`.
    pub tls: Option<ClientTls>,
}

/// What one cluster is made by: a policy after overlay, without settings of single ports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ClusterPolicy {
    pub load_balancer: Option<LoadBalancer>,
    pub connection_pool: Option<ConnectionPool>,
    pub outlier_detection: Option<OutlierDetection>,
    pub proxy_protocol: Option<ProxyProtocol>,
    pub retry_budget: Option<RetryBudget>,
    pub tls: Option<ClientTls>,
}

impl TrafficPolicy {
    /// The policy for one port: `over` (a subset's) over `self` (the host's).
    ///
    /// Settings of a port replace all settings of their level, also by absence, as Istio documents. Block by block goes only
    /// a subset's policy over the host's; and a subset's settings of a port replace the host's blocks by absence, too.
    pub fn for_port(&self, over: Option<&TrafficPolicy>, port: u16) -> ClusterPolicy {
        let (base, _) = self.flatten(port);
        let Some((over, replaces)) = over.map(|over| over.flatten(port)) else { return base };
        let ClusterPolicy {
            load_balancer,
            connection_pool,
            outlier_detection,
            proxy_protocol,
            retry_budget,
            tls,
        } = over;
        if replaces {
            return ClusterPolicy { load_balancer, connection_pool, outlier_detection, tls, ..base };
        }
        ClusterPolicy {
            load_balancer: load_balancer.or(base.load_balancer),
            connection_pool: connection_pool.or(base.connection_pool),
            outlier_detection: outlier_detection.or(base.outlier_detection),
            proxy_protocol: proxy_protocol.or(base.proxy_protocol),
            retry_budget: retry_budget.or(base.retry_budget),
            tls: tls.or(base.tls),
        }
    }

    /// What this level alone says of `port`, and whether it has settings of that port.
    fn flatten(&self, port: u16) -> (ClusterPolicy, bool) {
        let TrafficPolicy {
            load_balancer,
            connection_pool,
            outlier_detection,
            proxy_protocol,
            retry_budget,
            tls,
            tunnel: _, // Of listeners: no cluster knows of it.
            ports,
        } = self.clone();
        match ports.get(&port).cloned() {
            Some(PortPolicy { load_balancer, connection_pool, outlier_detection, tls }) => (
                ClusterPolicy {
                    load_balancer,
                    connection_pool,
                    outlier_detection,
                    proxy_protocol: None,
                    retry_budget: None,
                    tls,
                },
                true,
            ),
            None => (
                ClusterPolicy {
                    load_balancer,
                    connection_pool,
                    outlier_detection,
                    proxy_protocol,
                    retry_budget,
                    tls,
                },
                false,
            ),
        }
    }
}

/// `outlierDetection`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct OutlierDetection {
    /// `consecutive5xxErrors`; 0 turns it off, absent is Envoy's default of 5.
    pub consecutive_5xx: Option<u32>,
    /// `consecutiveGatewayErrors`; absent or 0: off.
    pub consecutive_gateway: Option<u32>,
    /// `consecutiveLocalOriginFailures`.
    pub consecutive_local_origin: Option<u32>,
    /// `splitExternalLocalOriginErrors`.
    pub split_local_origin: bool,
    /// `interval` between sweeps; absent: 10 s.
    pub interval: Option<Duration>,
    /// `baseEjectionTime`; absent: 30 s.
    pub base_ejection_time: Option<Duration>,
    /// `maxEjectionPercent`; absent: 10%.
    pub max_ejection: Option<Percent>,
    /// `minHealthPercent`: below it all endpoints are used (Envoy's panic threshold); absent: 0, never.
    pub min_health: Option<Percent>,
    /// `outlierDetectionHttpErrorCodes`, sorted: statuses that count as errors; empty: 5xx.
    pub error_codes: Vec<u16>,
}

/// `proxyProtocol`: a header before the bytes of each connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ProxyProtocol {
    /// Text.
    V1,
    /// Binary.
    V2,
}

/// `tunnel`: opaque connections go out as the body of an HTTP request, which asks for the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Tunnel {
    /// `targetHost` and `targetPort`, as in a URL.
    pub target: Str,
    /// With POST instead of CONNECT.
    pub post: bool,
}

/// `retryBudget`: retries under way, relative to requests under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RetryBudget {
    /// `percent` of the requests.
    pub percent: Percent,
    /// `minRetryConcurrency`: as many are always allowed.
    pub minimum: u32,
    /// `budgetInterval`; `None`: requests under way now.
    pub interval: Option<Duration>,
}
