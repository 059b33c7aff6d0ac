//! `trafficPolicy`: the blocks that shape connections to a service.
//!
//! One file for each block. Used by DestinationRule, its subsets and ports; Sidecar shares the connection pool.

pub mod connection_pool;
pub mod load_balancer;
pub mod locality;
pub mod outlier_detection;
pub mod proxy_protocol;
pub mod retry_budget;
pub mod tls;
pub mod tunnel;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::destination::PortSelector;

pub use connection_pool::{ConnectionPoolSettings, H2UpgradePolicy, HttpSettings, TcpSettings};
pub use load_balancer::{ConsistentHashLb, LoadBalancerSettings, SimpleLb, WarmupConfiguration};
pub use locality::{LocalityLbSetting, ZoneAwareLbSetting};
pub use outlier_detection::OutlierDetection;
pub use proxy_protocol::{ProxyProtocol, ProxyProtocolVersion};
pub use retry_budget::RetryBudget;
pub use tls::{ClientTlsMode, ClientTlsSettings};
pub use tunnel::TunnelSettings;

/// How connections to a service are made and used.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// How an endpoint is chosen.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits and time-outs of connections.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When failing endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the service.
    pub tls: Option<ClientTlsSettings>,
    /// Policies for single ports. Each block that a port sets replaces the block above as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 4096))]
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Wraps TCP connections in HTTP towards a proxy.
    pub tunnel: Option<TunnelSettings>,
    /// PROXY protocol header sent on each connection.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Limit of retries under way, relative to requests.
    pub retry_budget: Option<RetryBudget>,
}

/// The policy for one port of a service.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PortTrafficPolicy {
    /// The service port this policy is for.
    pub port: Option<PortSelector>,
    /// How an endpoint is chosen.
    pub load_balancer: Option<LoadBalancerSettings>,
    /// Limits and time-outs of connections.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When failing endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS towards the service.
    pub tls: Option<ClientTlsSettings>,
}
