//! TrafficPolicy and its blocks. An absent block inherits; a present one is used as it is.

use crate::{Duration, Percent, Str};
use serde::Serialize;
use std::collections::BTreeMap;

/// Istio's TrafficPolicy: blocks that a subset or a port may override one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TrafficPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
    /// `connectionPool`.
    pub connection_pool: Option<ConnectionPool>,
    /// `outlierDetection`.
    pub outlier_detection: Option<OutlierDetection>,
    /// `portLevelSettings`, by service port number.
    pub ports: BTreeMap<u16, PortPolicy>,
}

/// Istio's PortTrafficPolicy: each block that is present replaces the destination's wholesale.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct PortPolicy {
    /// `loadBalancer`.
    pub load_balancer: Option<LoadBalancer>,
    /// `connectionPool`.
    pub connection_pool: Option<ConnectionPool>,
    /// `outlierDetection`.
    pub outlier_detection: Option<OutlierDetection>,
}

impl TrafficPolicy {
    /// The policy for one port, without per-port settings: `over` (a subset's) over `self` (the host's), block by block,
    /// and the port's own blocks over those of the same level.
    pub fn for_port(&self, over: Option<&TrafficPolicy>, port: u16) -> PortPolicy {
        let flatten = |policy: &TrafficPolicy| {
            let TrafficPolicy { load_balancer, connection_pool, outlier_detection, ports } = policy;
            let at = ports.get(&port).cloned().unwrap_or_default();
            PortPolicy {
                load_balancer: at.load_balancer.or_else(|| load_balancer.clone()),
                connection_pool: at.connection_pool.or_else(|| connection_pool.clone()),
                outlier_detection: at.outlier_detection.or_else(|| outlier_detection.clone()),
            }
        };
        let base = flatten(self);
        let Some(over) = over.map(flatten) else { return base };
        PortPolicy {
            load_balancer: over.load_balancer.or(base.load_balancer),
            connection_pool: over.connection_pool.or(base.connection_pool),
            outlier_detection: over.outlier_detection.or(base.outlier_detection),
        }
    }
}

/// `loadBalancer`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct LoadBalancer {
    /// The algorithm.
    pub algorithm: LoadBalancing,
}

/// Which endpoint gets a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum LoadBalancing {
    /// `simple`.
    Simple(SimpleLb),
    /// `consistentHash`.
    ConsistentHash(ConsistentHash),
}

impl Default for LoadBalancing {
    fn default() -> Self {
        LoadBalancing::Simple(SimpleLb::LeastRequest)
    }
}

/// `loadBalancer.simple`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum SimpleLb {
    LeastRequest,
    Random,
    RoundRobin,
    /// To the address that the client asked for.
    Passthrough,
}

/// `loadBalancer.consistentHash`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ConsistentHash {
    /// What is hashed.
    pub key: HashKey,
    /// Over what.
    pub ring: HashRing,
}

/// What a consistent hash is computed of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum HashKey {
    Header(Str),
    /// A cookie, made by the proxy when `ttl` is set and the client has none.
    Cookie {
        name: Str,
        path: Str,
        ttl: Option<Duration>,
    },
    SourceIp,
    QueryParameter(Str),
}

/// The structure behind a consistent hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum HashRing {
    /// Envoy's ring hash with at least `minimum_size` entries (default 1024).
    Ring {
        /// `ringHash.minimumRingSize`.
        minimum_size: u64,
    },
    /// Envoy's Maglev with a table of this size (a prime; default 65537).
    Maglev {
        /// `maglev.tableSize`.
        table_size: Option<u64>,
    },
}

/// `connectionPool`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct ConnectionPool {
    pub tcp: TcpPool,
    pub http: HttpPool,
}

/// `connectionPool.tcp`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TcpPool {
    /// `maxConnections`.
    pub max_connections: Option<u32>,
    /// `connectTimeout`.
    pub connect_timeout: Option<Duration>,
    /// `tcpKeepalive`.
    pub keepalive: Option<TcpKeepalive>,
    /// `maxConnectionDuration`.
    pub max_connection_duration: Option<Duration>,
    /// `idleTimeout`, of TCP connections.
    pub idle_timeout: Option<Duration>,
}

/// `connectionPool.tcp.tcpKeepalive`. Absent values are the operating system's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct TcpKeepalive {
    pub probes: Option<u32>,
    pub time: Option<Duration>,
    pub interval: Option<Duration>,
}

/// `connectionPool.http`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct HttpPool {
    /// `http1MaxPendingRequests`.
    pub max_pending_requests: Option<u32>,
    /// `http2MaxRequests`.
    pub max_requests: Option<u32>,
    /// `maxRequestsPerConnection`; 0 is unlimited.
    pub max_requests_per_connection: Option<u32>,
    /// `maxRetries` in flight.
    pub max_retries: Option<u32>,
    /// `idleTimeout` of upstream connections.
    pub idle_timeout: Option<Duration>,
    /// `h2UpgradePolicy`.
    pub h2_upgrade: UpgradePolicy,
    /// `useClientProtocol`.
    pub use_client_protocol: bool,
    /// `maxConcurrentStreams` of an HTTP/2 connection.
    pub max_concurrent_streams: Option<u32>,
}

/// `connectionPool.http.h2UpgradePolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum UpgradePolicy {
    /// As the mesh says.
    #[default]
    Default,
    /// HTTP/1.1 stays.
    DoNotUpgrade,
    /// HTTP/1.1 goes upstream as HTTP/2.
    Upgrade,
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
}
