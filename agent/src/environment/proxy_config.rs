//! The mesh's settings for proxies (Istio's `ProxyConfig`), as far as an agent needs them.
//!
//! In: JSON or YAML. Out: the settings with Istio's defaults, the text as it was written (the control plane reads that), and the paths of
//! what is written but has no effect.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{duration::parse_duration, telemetry};
use crate::envoy::{
    ServiceName, Telemetry,
    bootstrap::{ADMIN_PORT, Inclusion, STATUS_PORT},
    command::FLUSH_INTERVAL,
};
use crate::health::Probe;
use mesh_pki::TrustBundle;

/// The settings.
#[derive(Debug, Clone)]
pub(super) struct ProxyConfig {
    pub discovery_address: String,
    pub concurrency: Option<u32>,
    pub config_path: PathBuf,
    pub binary_path: PathBuf,
    pub service_cluster: Option<String>,
    pub drain: Duration,
    pub termination_drain: Duration,
    pub status_port: u16,
    pub proxy_admin_port: u16,
    pub proxy_metadata: BTreeMap<String, String>,
    pub runtime_values: BTreeMap<String, String>,
    pub stats: StatsMatcher,
    pub telemetry: Telemetry,
    pub service_name: Option<ServiceName>,
    pub flush_interval: Duration,
    pub flush_size: Option<u32>,
    pub roots: Option<TrustBundle>,
    pub readiness: Option<Probe>,
    pub written: Value,
}

/// Which of Envoy's stats are kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub(super) struct StatsMatcher {
    inclusion_prefixes: Vec<String>,
    inclusion_suffixes: Vec<String>,
    inclusion_regexps: Vec<String>,
}

/// As it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Written {
    discovery_address: Option<String>,
    concurrency: Option<u32>,
    config_path: Option<String>,
    binary_path: Option<String>,
    service_cluster: Option<String>,
    drain_duration: Option<String>,
    termination_drain_duration: Option<String>,
    status_port: Option<u16>,
    proxy_admin_port: Option<u16>,
    proxy_metadata: BTreeMap<String, String>,
    runtime_values: BTreeMap<String, String>,
    proxy_stats_matcher: StatsMatcher,
    tracing_service_name: Option<ServiceName>,
    file_flush_interval: Option<String>,
    file_flush_min_size_kb: Option<u32>,
    ca_certificates_pem: Vec<String>,
    readiness_probe: Option<Value>,
    #[serde(flatten)]
    telemetry: telemetry::Written,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Fields that others act on: the injector, or the control plane, which is told the whole text.
const OF_OTHERS: [&str; 11] = [
    "connectionSettings",
    "holdApplicationUntilProxyStarts",
    "image",
    "meshId",
    "interceptionMode",
    "gatewayTopology",
    "proxyHeaders",
    "availabilityZone",
    "controlPlaneAuthPolicy",
    "customConfigFile",
    "proxyBootstrapTemplatePath",
];

impl Default for ProxyConfig {
    fn default() -> Self {
        Self {
            discovery_address: "istiod.istio-system.svc:15012".to_owned(),
            concurrency: None,
            config_path: "etc/istio/proxy".into(),
            binary_path: "usr/local/bin/envoy".into(),
            service_cluster: None,
            drain: Duration::from_secs(45),
            termination_drain: Duration::from_secs(5),
            status_port: STATUS_PORT,
            proxy_admin_port: ADMIN_PORT,
            proxy_metadata: BTreeMap::new(),
            runtime_values: BTreeMap::new(),
            stats: StatsMatcher::default(),
            telemetry: Telemetry::default(),
            service_name: None,
            flush_interval: FLUSH_INTERVAL,
            flush_size: None,
            roots: None,
            readiness: None,
            written: Value::Object(Map::new()),
        }
    }
}

impl ProxyConfig {
    /// Reads it; also says what in it has no effect.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), String> {
        // JSON is YAML.
        let value: Value =
            serde_saphyr::from_str(text).map_err(|error| format!("it can't be read: {error}"))?;
        let value = if value.is_null() { Value::Object(Map::new()) } else { value };
        let written = serde_json::from_value(value.clone())
            .map_err(|error| format!("it is no ProxyConfig: {error}"))?;
        let Written {
            discovery_address,
            concurrency,
            config_path,
            binary_path,
            service_cluster,
            drain_duration,
            termination_drain_duration,
            status_port,
            proxy_admin_port,
            proxy_metadata,
            runtime_values,
            proxy_stats_matcher,
            tracing_service_name,
            file_flush_interval,
            file_flush_min_size_kb,
            ca_certificates_pem,
            readiness_probe,
            telemetry,
            others,
        } = written;
        let usual = Self::default();
        let duration = |field: &str, text: Option<String>, default| match text {
            Some(text) => parse_duration(&text).map_err(|problem| format!("{field}: {problem}")),
            None => Ok(default),
        };
        let mut untold = Vec::new();
        let telemetry = telemetry.parse(&mut untold);
        let roots = Some(ca_certificates_pem.join("\n")).filter(|pem| !pem.trim().is_empty());
        let roots = roots.map(|pem| TrustBundle::from_pem(&pem)).transpose();
        let unsupported = others
            .keys()
            .filter(|field| !OF_OTHERS.contains(&field.as_str()))
            .map(|field| format!("PROXY_CONFIG: {field} is not supported (NotSupported) and has no effect"))
            .chain(untold)
            .chain(unsupported_limits(&others))
            .chain(
                ["customConfigFile", "proxyBootstrapTemplatePath"]
                    .into_iter()
                    .filter(|field| others.contains_key(*field))
                    .map(|field| format!("PROXY_CONFIG: {field} is not supported (NotSupported): the bootstrap is always made here")),
            )
            .collect();
        let config = Self {
            discovery_address: discovery_address.unwrap_or(usual.discovery_address),
            concurrency,
            config_path: config_path.map_or(usual.config_path, relative),
            binary_path: binary_path.map_or(usual.binary_path, relative),
            service_cluster: service_cluster.filter(|name| !name.is_empty() && name != "istio-proxy"),
            drain: duration("drainDuration", drain_duration, usual.drain)?,
            termination_drain: duration(
                "terminationDrainDuration",
                termination_drain_duration,
                usual.termination_drain,
            )?,
            status_port: status_port.filter(|port| *port != 0).unwrap_or(usual.status_port),
            proxy_admin_port: proxy_admin_port.filter(|port| *port != 0).unwrap_or(usual.proxy_admin_port),
            proxy_metadata,
            runtime_values,
            stats: proxy_stats_matcher,
            telemetry,
            service_name: tracing_service_name,
            flush_interval: duration("fileFlushInterval", file_flush_interval, usual.flush_interval)?,
            flush_size: file_flush_min_size_kb.filter(|size| *size > 0),
            roots: roots.map_err(|error| format!("caCertificatesPem: {error}"))?,
            readiness: readiness_probe
                .map(|probe| Probe::parse(&probe).map_err(|problem| problem.to_string()))
                .transpose()?,
            written: value,
        };
        Ok((config, unsupported))
    }

    /// Whom the proxy tells, with the tags that the pod's annotations ask for.
    pub fn telemetry(&self, annotations: &BTreeMap<String, String>) -> Telemetry {
        let more = annotations.get("sidecar.istio.io/extraStatTags").map(String::as_str).unwrap_or_default();
        let more = more.split(',').map(str::trim).filter(|tag| !tag.is_empty()).map(str::to_owned);
        let mut telemetry = self.telemetry.clone();
        telemetry.tags.extend(more);
        telemetry
    }

    /// Stats that the mesh or the pod's annotations ask for.
    pub fn stats_inclusion(&self, annotations: &BTreeMap<String, String>) -> Inclusion {
        let StatsMatcher { inclusion_prefixes, inclusion_suffixes, inclusion_regexps } = &self.stats;
        let with = |configured: &[String], annotation: &str| {
            let more = annotations.get(&format!("sidecar.istio.io/{annotation}"));
            let more = more.map(String::as_str).unwrap_or_default().split(',').map(str::trim);
            let more = more.filter(|part| !part.is_empty()).map(str::to_owned);
            configured.iter().cloned().chain(more).collect()
        };
        Inclusion {
            prefixes: with(inclusion_prefixes, "statsInclusionPrefixes"),
            suffixes: with(inclusion_suffixes, "statsInclusionSuffixes"),
            regexps: with(inclusion_regexps, "statsInclusionRegexps"),
        }
    }
}

/// A limit that the control plane has no say in, and that is not set here either.
fn unsupported_limits(others: &BTreeMap<String, Value>) -> Option<String> {
    others.get("connectionSettings")?.get("listenerConnectionLimit")?;
    Some(
        "PROXY_CONFIG: connectionSettings.listenerConnectionLimit is not supported (NotSupported) and has no effect"
            .to_owned(),
    )
}

/// Paths are below the agent's root, which is `/` in a pod.
fn relative(path: String) -> PathBuf {
    PathBuf::from(path.trim_start_matches("./"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envoy::{Tracer, TracerKind, Upstream};

    #[test]
    fn json_and_yaml_are_read_and_what_has_no_effect_is_told() {
        for text in [
            r#"{"discoveryAddress":"a:1","concurrency":3,"drainDuration":"1m5s","tracing":{"zipkin":{"address":"z:9411"},"lightstep":{}},"meshId":"m"}"#,
            "discoveryAddress: a:1\nconcurrency: 3\ndrainDuration: 1m5s\ntracing:\n  zipkin: {address: 'z:9411'}\n  lightstep: {}\nmeshId: m\n",
        ] {
            let (config, unsupported) = ProxyConfig::parse(text).unwrap();
            assert_eq!((&*config.discovery_address, config.concurrency), ("a:1", Some(3)));
            assert_eq!(config.drain, Duration::from_secs(65));
            assert_eq!(unsupported.len(), 1, "{unsupported:?}");
            assert!(unsupported[0].contains("tracing"), "{unsupported:?}");
            let to = Upstream::at("z:9411").unwrap();
            assert_eq!(config.telemetry.tracer, Some(Tracer { kind: TracerKind::Zipkin, to }));
            assert_eq!(config.written["tracing"]["zipkin"]["address"], "z:9411");
        }
        assert!(ProxyConfig::parse("concurrency: many").unwrap_err().contains("many"));
        assert!(ProxyConfig::parse("drainDuration: soon").unwrap_err().contains("drainDuration"));
        assert_eq!(ProxyConfig::parse("").unwrap().0.status_port, STATUS_PORT);
    }
}
