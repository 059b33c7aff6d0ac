//! Mesh settings: the keys `mesh` and `meshNetworks` of the ConfigMap `istio` in the root namespace.

mod access_log;
mod connections;
mod discovery;
mod identity;
mod later;
mod networks;
mod outbound;
mod providers;
mod proxy_config;
mod proxy_start;
mod schema;
mod stat_name;
mod tls;
mod tracing;
mod visibility;
mod written;

pub use later::report_injected;
pub use networks::MOST as MOST_GATEWAYS;
pub use proxy_config::{check_annotation, parse_proxy_config};
pub use schema::{mesh_settings_schema, mesh_settings_without_effect};
pub(super) use tls::parse_cipher_suites;

use super::{
    Model,
    traffic_policy::{parse_connection_pool, parse_keepalive, parse_locality_lb, parse_outlier_detection},
    virtual_service::parse_retries,
};
use crate::{
    at::At,
    document,
    meta::Meta,
    values::{parse_default_export, parse_duration, parse_port, parse_positive_duration},
};
use mesh_model::{
    DefaultExports, DefaultTrafficPolicy, InboundPolicy, MeshConfig, PathNormalization, Problem, Reason,
};
use serde_json::{Map, Value};
use stat_name::parse_stat_name;
use std::sync::Arc;
use written::{
    H2UpgradePolicy, InboundMode, InboundTrafficPolicy, Normalization, PathNormalizationSetting, Settings,
    TrafficPolicy,
};

pub use identity::{IdentitySettings, RootSettings, read_identity};

/// Reads one object; every other ConfigMap means nothing.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    if !at.context().has_settings(&meta.metadata.object.name) {
        return None;
    }
    let at = at.field("data");
    let networks = match value.pointer("/data/meshNetworks").and_then(Value::as_str) {
        Some(text) => networks::parse(text, &at.field("meshNetworks"))?,
        None => Vec::new(),
    };
    let at = at.field("mesh");
    let Some(text) = value.get("data").and_then(|data| data.get("mesh")).and_then(Value::as_str) else {
        at.error_hint(
            Reason::Required,
            "there are no mesh settings",
            "put them as a text under `data.mesh`, as in `mesh: |`",
        );
        return None;
    };
    let settings = match document::parse_text(text) {
        Ok(settings) => settings,
        Err(problem) => {
            at.report(Problem { path: at.path(), ..problem });
            return None;
        }
    };
    let config = parse_mesh_settings(&settings, &at)?;
    Some(Model::MeshConfig(Arc::new(MeshConfig { networks, ..config })))
}

/// Reads Istio's MeshConfig over the defaults of this process.
fn parse_mesh_settings(settings: &Value, at: &At<'_>) -> Option<MeshConfig> {
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
        access_log_format,
        access_log_encoding,
        disable_envoy_listener_log,
        enable_envoy_access_log_service,
        tcp_keepalive,
        h2_upgrade_policy,
        path_normalization,
        inbound_traffic_policy,
        outbound_cluster_stat_name,
        inbound_cluster_stat_name,
        proxy_http_port,
        default_service_export_to,
        default_virtual_service_export_to,
        default_destination_rule_export_to,
        default_config,
        default_providers,
        enable_tracing,
        extension_providers,
        discovery_selectors,
        service_entry_visibility,
        default_traffic_policy,
        locality_lb_setting,
        zone_aware_lb_setting,
        trust_domain,
        trust_domain_aliases,
        enable_auto_mtls,
        mesh_mtls,
        tls_defaults,
        ca_certificates,
    } = schema::read(settings, mesh_settings_schema(), "", at)?;
    let trust_domain = trust_domain.filter(|domain| !domain.is_empty());
    let own = |domain: &str| {
        let own = trust_domain.as_deref().unwrap_or(identity::DEFAULT);
        own == domain || trust_domain_aliases.iter().any(|alias| alias == domain)
    };
    let ca_certificates = identity::parse(ca_certificates, own, &at.field("caCertificates"));
    let mut config = (*at.context().mesh_config).clone();
    config.ca_certificates = ca_certificates;
    if let Some(fields) = default_config {
        let (settings, start) = proxy_config::parse(&Value::Object(fields), &at.field("defaultConfig"));
        (config.proxy, config.start) = (Arc::new(settings), start);
    }
    let told = providers::parse(extension_providers, default_providers, enable_tracing, at);
    config.tracing = told.tracing;
    if let Some(namespace) = root_namespace.filter(|namespace| !namespace.is_empty()) {
        config.root_namespace = namespace.into();
    }
    let at_field = at.field("connectTimeout");
    if let Some(value) = connect_timeout.and_then(|value| parse_positive_duration(value, &at_field)) {
        config.connect_timeout = value;
    }
    if let Some(policy) = outbound_traffic_policy {
        (config.outbound_policy, config.outbound_tls) =
            outbound::parse(policy, &at.field("outboundTrafficPolicy"));
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
    if enable_envoy_access_log_service == Some(true) && !config.proxy.access_log_service {
        at.field("enableEnvoyAccessLogService").warning_hint(
            Reason::Required,
            "nobody takes accesses: only proxies that bring the address of a service along tell one",
            "write `defaultConfig: {envoyAccessLogService: {address: host:port}}`",
        );
    }
    let log = access_log::Settings {
        file: access_log_file,
        format: access_log_format,
        encoding: access_log_encoding,
        no_listeners: disable_envoy_listener_log,
        service: enable_envoy_access_log_service,
        provided: told.access_log,
    };
    config.access_log = access_log::parse(log, at).or(config.access_log);
    if let Some(keepalive) = tcp_keepalive {
        config.keepalive = Some(parse_keepalive(keepalive, &at.field("tcpKeepalive")));
    }
    config.h2_upgrade = match h2_upgrade_policy {
        None => config.h2_upgrade,
        Some(H2UpgradePolicy::DoNotUpgrade) => false,
        Some(H2UpgradePolicy::Upgrade) => true,
    };
    if let Some(PathNormalizationSetting { normalization }) = path_normalization {
        config.path_normalization = match normalization {
            None | Some(Normalization::Default | Normalization::Base) => PathNormalization::Base,
            Some(Normalization::None) => PathNormalization::None,
            Some(Normalization::MergeSlashes) => PathNormalization::MergeSlashes,
            Some(Normalization::DecodeAndMergeSlashes) => PathNormalization::DecodeAndMergeSlashes,
        };
    }
    if let Some(InboundTrafficPolicy { mode }) = inbound_traffic_policy {
        config.inbound_policy = match mode {
            None | Some(InboundMode::Passthrough) => InboundPolicy::Passthrough,
            Some(InboundMode::Localhost) => InboundPolicy::Localhost,
        };
    }
    let names = [
        (outbound_cluster_stat_name, "outboundClusterStatName", &mut config.outbound_stat_name),
        (inbound_cluster_stat_name, "inboundClusterStatName", &mut config.inbound_stat_name),
    ];
    for (pattern, name, setting) in names {
        if let Some(pattern) = pattern {
            *setting = parse_stat_name(&pattern, &at.field(name));
        }
    }
    // Zero is Istio's way to say that there is none.
    if let Some(port) = proxy_http_port.filter(|port| *port != 0) {
        config.http_proxy_port = parse_port(port, &at.field("proxyHttpPort"));
    }
    let at_visibility = at.field("serviceEntryVisibility");
    config.entry_visibility =
        service_entry_visibility.and_then(|setting| visibility::parse(setting, &at_visibility));
    config.discovery = discovery::parse(discovery_selectors, &at.field("discoverySelectors"));
    let exports = |entries: &[String], name: &str| parse_default_export(entries, &at.field(name));
    config.exports = DefaultExports {
        services: exports(&default_service_export_to, "defaultServiceExportTo"),
        virtual_services: exports(&default_virtual_service_export_to, "defaultVirtualServiceExportTo"),
        destination_rules: exports(&default_destination_rule_export_to, "defaultDestinationRuleExportTo"),
    };
    if let Some(TrafficPolicy { connection_pool, outlier_detection }) = default_traffic_policy {
        let at = at.field("defaultTrafficPolicy");
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
    let domain = trust_domain.filter(|text| !text.is_empty());
    if let Some(domain) = domain.and_then(|text| tls::parse_trust_domain(&text, &at.field("trustDomain"))) {
        config.trust_domain = domain;
    }
    let at_aliases = at.field("trustDomainAliases");
    let aliases = trust_domain_aliases.iter().enumerate();
    let aliases = aliases.filter_map(|(index, text)| tls::parse_trust_domain(text, &at_aliases.index(index)));
    config.trust_domain_aliases = aliases.collect();
    config.auto_mtls = enable_auto_mtls.unwrap_or(config.auto_mtls);
    if let Some(limits) = mesh_mtls {
        config.mesh_mtls = tls::parse_limits(limits, "meshMTLS", at);
    }
    if let Some(limits) = tls_defaults {
        config.tls_defaults = tls::parse_limits(limits, "tlsDefaults", at);
    }
    Some(config)
}
