//! Mesh settings as they are written: Istio's MeshConfig, as far as it has an effect here.

use super::{
    access_log::Encoding,
    identity::CaCertificate,
    providers::{Defaults, Provider},
    tls::TlsConfig,
    visibility,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use mesh_api::{
    Duration as ApiDuration,
    networking::{
        traffic_policy::{
            ClientTlsSettings, ConnectionPoolSettings, LocalityLbSetting, OutlierDetection,
            ZoneAwareLbSetting, connection_pool::TcpKeepalive,
        },
        virtual_service::HttpRetry,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// The namespace of what holds for the whole mesh.
    pub root_namespace: Option<String>,
    /// How long a connection to an endpoint may take.
    pub connect_timeout: Option<ApiDuration>,
    /// What becomes of traffic to hosts that nobody knows.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    /// How long a client may take to say what it speaks.
    pub protocol_detection_timeout: Option<ApiDuration>,
    /// How often names of endpoints are resolved.
    pub dns_refresh_rate: Option<ApiDuration>,
    /// Where captured outbound connections arrive.
    pub proxy_listen_port: Option<i64>,
    /// Where captured inbound connections arrive.
    pub proxy_inbound_listen_port: Option<i64>,
    /// Retries of routes that say nothing of retries.
    pub default_http_retry_policy: Option<HttpRetry>,
    /// Where sidecars log what passes, such as `/dev/stdout`; empty: nowhere.
    pub access_log_file: Option<String>,
    /// What a line of the access log says.
    pub access_log_format: Option<String>,
    /// How lines of the access log are written.
    pub access_log_encoding: Option<Encoding>,
    /// No log of connections that no listener takes.
    pub disable_envoy_listener_log: Option<bool>,
    /// Accesses are told to the service of `defaultConfig.envoyAccessLogService`.
    pub enable_envoy_access_log_service: Option<bool>,
    /// Keepalive of connections to endpoints.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Whether HTTP/1.1 is sent as HTTP/2 between sidecars.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    /// How paths are made alike before they are matched.
    pub path_normalization: Option<PathNormalizationSetting>,
    /// What becomes of traffic to ports that no service has.
    pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
    /// What outbound clusters are called in statistics.
    pub outbound_cluster_stat_name: Option<String>,
    /// What inbound clusters are called in statistics.
    pub inbound_cluster_stat_name: Option<String>,
    /// A port where sidecars are an HTTP proxy; 0: none.
    pub proxy_http_port: Option<i64>,
    /// Who sees a service that does not say it.
    #[serde(default)]
    pub default_service_export_to: Vec<String>,
    /// Who sees a VirtualService that does not say it.
    #[serde(default)]
    pub default_virtual_service_export_to: Vec<String>,
    /// Who sees a DestinationRule that does not say it.
    #[serde(default)]
    pub default_destination_rule_export_to: Vec<String>,
    /// Settings of proxies (ProxyConfig).
    #[schemars(with = "Option<super::proxy_config::Written>")]
    pub default_config: Option<Map<String, Value>>,
    /// Providers of tracing, metrics and access logs that hold unless a Telemetry says otherwise.
    pub default_providers: Option<Defaults>,
    /// Requests are traced.
    pub enable_tracing: Option<bool>,
    /// Services for authorization, tracing, metrics and logs.
    #[serde(default)]
    pub extension_providers: Vec<Provider>,
    /// Namespaces that are looked at.
    #[serde(default)]
    pub discovery_selectors: Vec<LabelSelector>,
    /// Who may see ServiceEntries, whatever these say.
    pub service_entry_visibility: Option<visibility::Setting>,
    /// What holds under every DestinationRule.
    pub default_traffic_policy: Option<TrafficPolicy>,
    /// Where requests go first.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// Zone-aware balancing.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// The trust domain of identities.
    pub trust_domain: Option<String>,
    /// Other trust domains that are trusted as this one.
    #[serde(default)]
    pub trust_domain_aliases: Vec<String>,
    /// mTLS wherever both sides can.
    pub enable_auto_mtls: Option<bool>,
    /// Versions and ciphers of mTLS.
    #[serde(rename = "meshMTLS")]
    pub mesh_mtls: Option<TlsConfig>,
    /// Versions and ciphers of TLS that is not mTLS.
    pub tls_defaults: Option<TlsConfig>,
    /// More roots that are trusted.
    #[serde(default)]
    pub ca_certificates: Vec<CaCertificate>,
}

/// As in a DestinationRule; of its blocks only these two hold for a whole mesh.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    /// Limits and time-outs of connections.
    pub connection_pool: Option<ConnectionPoolSettings>,
    /// When failing endpoints are left out for a while.
    pub outlier_detection: Option<OutlierDetection>,
}

#[derive(Deserialize, JsonSchema)]
pub struct OutboundTrafficPolicy {
    /// It is refused, passed on, or resolved.
    pub mode: Option<OutboundMode>,
    /// TLS towards hosts that nobody knows, with `ALLOW_ANY_DYNAMIC_DNS`.
    pub tls: Option<ClientTlsSettings>,
}

#[derive(Deserialize, JsonSchema)]
pub enum OutboundMode {
    #[serde(rename = "REGISTRY_ONLY")]
    RegistryOnly,
    #[serde(rename = "ALLOW_ANY")]
    AllowAny,
    #[serde(rename = "ALLOW_ANY_DYNAMIC_DNS")]
    AllowAnyDynamicDns,
}

#[derive(Deserialize, JsonSchema)]
pub struct InboundTrafficPolicy {
    /// Where it goes.
    pub mode: Option<InboundMode>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundMode {
    Passthrough,
    Localhost,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    DoNotUpgrade,
    Upgrade,
}

#[derive(Deserialize, JsonSchema)]
pub struct PathNormalizationSetting {
    /// How far.
    pub normalization: Option<Normalization>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Normalization {
    Default,
    None,
    Base,
    MergeSlashes,
    DecodeAndMergeSlashes,
}
