//! Mesh settings as they are written: Istio's MeshConfig, as far as it has an effect here. What it has besides is in `others`.

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
            ConnectionPoolSettings, LocalityLbSetting, OutlierDetection, ZoneAwareLbSetting,
            connection_pool::TcpKeepalive,
        },
        virtual_service::HttpRetry,
    },
};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    pub root_namespace: Option<String>,
    pub connect_timeout: Option<ApiDuration>,
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    pub protocol_detection_timeout: Option<ApiDuration>,
    pub dns_refresh_rate: Option<ApiDuration>,
    pub proxy_listen_port: Option<i64>,
    pub proxy_inbound_listen_port: Option<i64>,
    pub default_http_retry_policy: Option<HttpRetry>,
    pub access_log_file: Option<String>,
    pub access_log_format: Option<String>,
    pub access_log_encoding: Option<Encoding>,
    pub disable_envoy_listener_log: Option<bool>,
    pub tcp_keepalive: Option<TcpKeepalive>,
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    pub path_normalization: Option<PathNormalizationSetting>,
    pub inbound_traffic_policy: Option<InboundTrafficPolicy>,
    pub outbound_cluster_stat_name: Option<String>,
    pub inbound_cluster_stat_name: Option<String>,
    pub proxy_http_port: Option<i64>,
    #[serde(default)]
    pub default_service_export_to: Vec<String>,
    #[serde(default)]
    pub default_virtual_service_export_to: Vec<String>,
    #[serde(default)]
    pub default_destination_rule_export_to: Vec<String>,
    pub default_config: Option<Map<String, Value>>,
    pub default_providers: Option<Defaults>,
    pub enable_tracing: Option<bool>,
    #[serde(default)]
    pub extension_providers: Vec<Provider>,
    #[serde(default)]
    pub discovery_selectors: Vec<LabelSelector>,
    pub service_entry_visibility: Option<visibility::Setting>,
    pub default_traffic_policy: Option<TrafficPolicy>,
    pub locality_lb_setting: Option<LocalityLbSetting>,
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    pub trust_domain: Option<String>,
    #[serde(default)]
    pub trust_domain_aliases: Vec<String>,
    pub enable_auto_mtls: Option<bool>,
    #[serde(rename = "meshMTLS")]
    pub mesh_mtls: Option<TlsConfig>,
    pub tls_defaults: Option<TlsConfig>,
    #[serde(default)]
    pub ca_certificates: Vec<CaCertificate>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// As in a DestinationRule; of its blocks only these two hold for a whole mesh.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrafficPolicy {
    pub connection_pool: Option<ConnectionPoolSettings>,
    pub outlier_detection: Option<OutlierDetection>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

#[derive(Deserialize)]
pub struct OutboundTrafficPolicy {
    pub mode: Option<OutboundMode>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

#[derive(Deserialize)]
pub enum OutboundMode {
    #[serde(rename = "REGISTRY_ONLY")]
    RegistryOnly,
    #[serde(rename = "ALLOW_ANY")]
    AllowAny,
    #[serde(rename = "ALLOW_ANY_DYNAMIC_DNS")]
    AllowAnyDynamicDns,
}

#[derive(Deserialize)]
pub struct InboundTrafficPolicy {
    pub mode: Option<InboundMode>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundMode {
    Passthrough,
    Localhost,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    DoNotUpgrade,
    Upgrade,
}

#[derive(Deserialize)]
pub struct PathNormalizationSetting {
    pub normalization: Option<Normalization>,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Normalization {
    Default,
    None,
    Base,
    MergeSlashes,
    DecodeAndMergeSlashes,
}
