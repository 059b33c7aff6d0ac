//! Mesh settings: the key `mesh` of the ConfigMap `istio` in the root namespace.

use super::{
    Model,
    traffic_policy::{parse_connection_pool, parse_locality_lb, parse_outlier_detection},
    virtual_service::parse_retries,
};
use crate::{
    at::At,
    decode::decode,
    document,
    meta::Meta,
    nearest::nearest,
    values::{parse_duration, parse_port, parse_positive_duration},
};
use mesh_api::{
    Duration as ApiDuration,
    networking::{
        traffic_policy::{ConnectionPoolSettings, LocalityLbSetting, OutlierDetection, ZoneAwareLbSetting},
        virtual_service::HttpRetry,
    },
};
use mesh_model::{DefaultTrafficPolicy, MeshConfig, OutboundPolicy, Problem, Reason};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    root_namespace: Option<String>,
    connect_timeout: Option<ApiDuration>,
    outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    protocol_detection_timeout: Option<ApiDuration>,
    dns_refresh_rate: Option<ApiDuration>,
    proxy_listen_port: Option<i64>,
    proxy_inbound_listen_port: Option<i64>,
    default_http_retry_policy: Option<HttpRetry>,
    access_log_file: Option<String>,
    default_traffic_policy: Option<TrafficPolicy>,
    locality_lb_setting: Option<LocalityLbSetting>,
    zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// As in a DestinationRule; of its blocks only these two hold for a whole mesh.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TrafficPolicy {
    connection_pool: Option<ConnectionPoolSettings>,
    outlier_detection: Option<OutlierDetection>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
struct OutboundTrafficPolicy {
    mode: Option<OutboundMode>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
enum OutboundMode {
    #[serde(rename = "REGISTRY_ONLY")]
    RegistryOnly,
    #[serde(rename = "ALLOW_ANY")]
    AllowAny,
}

/// What Istio knows besides; setting it has no effect yet.
const NOT_BUILT: &[&str] = &[
    "accessLogEncoding",
    "accessLogFormat",
    "ca",
    "caCertificates",
    "certificates",
    "configSources",
    "defaultConfig",
    "defaultDestinationRuleExportTo",
    "defaultProviders",
    "defaultServiceExportTo",
    "defaultVirtualServiceExportTo",
    "disableEnvoyListenerLog",
    "discoverySelectors",
    "enableAutoMtls",
    "enableEnvoyAccessLogService",
    "enablePrometheusMerge",
    "enableTracing",
    "extensionProviders",
    "h2UpgradePolicy",
    "hboneIdleTimeout",
    "inboundClusterStatName",
    "inboundTrafficPolicy",
    "ingressClass",
    "ingressControllerMode",
    "ingressSelector",
    "ingressService",
    "meshMTLS",
    "outboundClusterStatName",
    "pathNormalization",
    "proxyHttpPort",
    "serviceEntryVisibility",
    "serviceScopeConfigs",
    "serviceSettings",
    "tcpKeepalive",
    "tlsDefaults",
    "trustDomain",
    "trustDomainAliases",
    "verifyCertificateAtClient",
];

/// The fields of [`Settings`], to suggest the one that was meant.
const BUILT: &[&str] = &[
    "accessLogFile",
    "connectTimeout",
    "defaultHttpRetryPolicy",
    "defaultTrafficPolicy",
    "dnsRefreshRate",
    "localityLbSetting",
    "outboundTrafficPolicy",
    "protocolDetectionTimeout",
    "proxyInboundListenPort",
    "proxyListenPort",
    "rootNamespace",
    "zoneAwareLbSetting",
];

/// Reads one object; every other ConfigMap means nothing.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let context = at.context();
    let name = &meta.metadata.object.name;
    if Some(&name.name) != context.mesh_config_name.as_ref()
        || name.namespace != context.mesh_config.root_namespace
    {
        return None;
    }
    let at = at.field("data");
    let at = at.field("mesh");
    let Some(text) = value.get("data").and_then(|data| data.get("mesh")).and_then(Value::as_str) else {
        at.error(Reason::Required, "there are no mesh settings");
        return None;
    };
    let settings = match document::parse_text(text) {
        Ok(settings) => settings,
        Err(problem) => {
            at.report(Problem { path: at.path(), ..problem });
            return None;
        }
    };
    parse_mesh_settings(&settings, &at).map(|config| Model::MeshConfig(Arc::new(config)))
}

/// Reads Istio's MeshConfig over the defaults of this process.
pub fn parse_mesh_settings(settings: &Value, at: &At<'_>) -> Option<MeshConfig> {
    // An empty text is no settings, and fine.
    let none = Value::Object(Map::new());
    let settings = if settings.is_null() { &none } else { settings };
    let Settings {
        root_namespace,
        connect_timeout,
        outbound_traffic_policy,
        protocol_detection_timeout,
        dns_refresh_rate,
        proxy_listen_port,
        proxy_inbound_listen_port,
        default_http_retry_policy,
        access_log_file,
        default_traffic_policy,
        locality_lb_setting,
        zone_aware_lb_setting,
        others,
    } = decode(settings, at)?;
    for name in others.keys() {
        if NOT_BUILT.contains(&name.as_str()) {
            at.not_supported(name, true);
        } else {
            let message = format!("`{name}` is not a mesh setting");
            let near = nearest(name, BUILT.iter().chain(NOT_BUILT).copied());
            let at = at.field(name);
            match near {
                Some(near) => at.warning_hint(Reason::UnknownField, message, format!("did you mean {near}?")),
                None => at.warning(Reason::UnknownField, message),
            }
        }
    }
    let mut config = (*at.context().mesh_config).clone();
    if let Some(namespace) = root_namespace.filter(|namespace| !namespace.is_empty()) {
        config.root_namespace = namespace.into();
    }
    let at_field = at.field("connectTimeout");
    if let Some(value) = connect_timeout.and_then(|value| parse_positive_duration(value, &at_field)) {
        config.connect_timeout = value;
    }
    if let Some(OutboundTrafficPolicy { mode, others }) = outbound_traffic_policy {
        let at = at.field("outboundTrafficPolicy");
        others.keys().for_each(|name| at.not_supported(name, true));
        config.outbound_policy = match mode {
            None | Some(OutboundMode::RegistryOnly) => OutboundPolicy::RegistryOnly,
            Some(OutboundMode::AllowAny) => OutboundPolicy::AllowAny,
        };
    }
    let at_field = at.field("protocolDetectionTimeout");
    if let Some(value) = protocol_detection_timeout.and_then(|value| parse_duration(value, &at_field)) {
        config.protocol_detection_timeout = value;
    }
    let at_field = at.field("dnsRefreshRate");
    if let Some(value) = dns_refresh_rate.and_then(|value| parse_positive_duration(value, &at_field)) {
        config.dns_refresh_rate = value;
    }
    if let Some(port) = proxy_listen_port.and_then(|port| parse_port(port, &at.field("proxyListenPort"))) {
        config.outbound_port = port;
    }
    let at_field = at.field("proxyInboundListenPort");
    if let Some(port) = proxy_inbound_listen_port.and_then(|port| parse_port(port, &at_field)) {
        config.inbound_port = port;
    }
    if let Some(retries) = default_http_retry_policy {
        config.default_retries = Some(parse_retries(retries, &at.field("defaultHttpRetryPolicy")));
    }
    if let Some(file) = access_log_file {
        config.access_log_file = file.into();
    }
    if let Some(TrafficPolicy { connection_pool, outlier_detection, others }) = default_traffic_policy {
        let at = at.field("defaultTrafficPolicy");
        others.keys().for_each(|name| at.not_supported(name, true));
        config.default_policy = DefaultTrafficPolicy {
            connection_pool: connection_pool
                .map(|block| parse_connection_pool(block, &at.field("connectionPool"))),
            outlier_detection: outlier_detection
                .map(|block| parse_outlier_detection(block, &at.field("outlierDetection"))),
        };
    }
    if let Some(locality) = parse_locality_lb(locality_lb_setting, zone_aware_lb_setting, at) {
        config.locality = locality;
    }
    Some(config)
}
