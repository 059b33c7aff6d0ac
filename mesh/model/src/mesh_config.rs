//! Mesh-wide settings: the part of Istio's MeshConfig that has an effect today.

use crate::{ConnectionPool, Duration, LocalityLb, OutlierDetection, Retries, Str};
use serde::Serialize;

/// What happens to traffic for destinations that no service names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum OutboundPolicy {
    /// Let it through.
    AllowAny,
    /// Only registered services are reachable.
    RegistryOnly,
}

/// `defaultTrafficPolicy`: what holds where no DestinationRule has the block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct DefaultTrafficPolicy {
    pub connection_pool: Option<ConnectionPool>,
    pub outlier_detection: Option<OutlierDetection>,
}

/// Istio's MeshConfig (`mesh` in ConfigMap `istio`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct MeshConfig {
    /// DNS suffix of the cluster; a flag in Istio (`--domain`).
    pub domain: Str,
    /// `rootNamespace`: its objects are defaults for all namespaces.
    pub root_namespace: Str,
    /// `connectTimeout`.
    pub connect_timeout: Duration,
    /// `outboundTrafficPolicy.mode`.
    pub outbound_policy: OutboundPolicy,
    /// `protocolDetectionTimeout`; zero waits for ever.
    pub protocol_detection_timeout: Duration,
    /// `dnsRefreshRate`.
    pub dns_refresh_rate: Duration,
    /// `proxyListenPort`: virtualOutbound.
    pub outbound_port: u16,
    /// `proxyInboundListenPort`: virtualInbound.
    pub inbound_port: u16,
    /// `defaultHttpRetryPolicy`; `None`: Istio's built-in default.
    pub default_retries: Option<Retries>,
    /// `defaultTrafficPolicy`.
    pub default_policy: DefaultTrafficPolicy,
    /// `localityLbSetting`, or `zoneAwareLbSetting`, which wins: for clusters whose own policy says nothing.
    pub locality: LocalityLb,
    /// `accessLogFile`; empty: none.
    pub access_log_file: Str,
}

impl Default for MeshConfig {
    /// Istio's defaults.
    fn default() -> Self {
        Self {
            domain: "cluster.local".into(),
            root_namespace: "istio-system".into(),
            connect_timeout: Duration::from_secs(10),
            outbound_policy: OutboundPolicy::AllowAny,
            protocol_detection_timeout: Duration::ZERO,
            dns_refresh_rate: Duration::from_secs(60),
            outbound_port: 15001,
            inbound_port: 15006,
            default_retries: None,
            default_policy: DefaultTrafficPolicy::default(),
            locality: LocalityLb::default(),
            access_log_file: "".into(),
        }
    }
}
