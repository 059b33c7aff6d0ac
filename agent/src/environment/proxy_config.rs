//! The mesh's settings for proxies (Istio's `ProxyConfig`), as far as an agent needs them.
//!
//! In: JSON or YAML. Out: the settings with Istio's defaults, the text as it was written (the control plane reads that), and the paths of
//! what is written but has no effect.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::duration::parse_duration;
use crate::envoy::{
    Tracer, TracerKind,
    bootstrap::{ADMIN_PORT, Inclusion, STATUS_PORT},
};
use crate::health::Probe;

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
    pub tracer: Option<Tracer>,
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
    tracing: Option<Tracing>,
    readiness_probe: Option<Value>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Of `tracing`, what belongs into a bootstrap; the control plane acts on the rest.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Tracing {
    zipkin: Option<TracedTo>,
    datadog: Option<TracedTo>,
    tls_settings: Option<Value>,
    lightstep: Option<Value>,
    stackdriver: Option<Value>,
    open_census_agent: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct TracedTo {
    #[serde(default)]
    address: String,
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
            tracer: None,
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
            tracing,
            readiness_probe,
            others,
        } = written;
        let usual = Self::default();
        let duration = |field: &str, text: Option<String>, default| match text {
            Some(text) => parse_duration(&text).map_err(|problem| format!("{field}: {problem}")),
            None => Ok(default),
        };
        let (tracer, untraced) = parse_tracing(tracing.unwrap_or_default());
        let unsupported = others
            .keys()
            .filter(|field| !OF_OTHERS.contains(&field.as_str()))
            .map(|field| format!("PROXY_CONFIG: {field} is not supported (NotSupported) and has no effect"))
            .chain(untraced)
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
            tracer,
            readiness: readiness_probe
                .map(|probe| Probe::parse(&probe).map_err(|problem| problem.to_string()))
                .transpose()?,
            written: value,
        };
        Ok((config, unsupported))
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

/// The tracer, and what is written of tracing that has no effect.
fn parse_tracing(tracing: Tracing) -> (Option<Tracer>, Vec<String>) {
    let Tracing { zipkin, datadog, tls_settings, lightstep, stackdriver, open_census_agent } = tracing;
    let others = [
        ("tlsSettings", tls_settings.is_some()),
        ("lightstep", lightstep.is_some()),
        ("stackdriver", stackdriver.is_some()),
        ("openCensusAgent", open_census_agent.is_some()),
    ];
    let mut unsupported: Vec<String> = others
        .into_iter()
        .filter(|(_, set)| *set)
        .map(|(field, _)| {
            format!("PROXY_CONFIG: tracing.{field} is not supported (NotSupported) and has no effect")
        })
        .collect();
    let wanted = zipkin.map(|to| (TracerKind::Zipkin, to)).or(datadog.map(|to| (TracerKind::Datadog, to)));
    let Some((kind, TracedTo { address })) = wanted.filter(|(_, to)| !to.address.is_empty()) else {
        return (None, unsupported);
    };
    let tracer = Tracer::at(kind, &address);
    if tracer.is_none() {
        unsupported
            .push(format!("PROXY_CONFIG: tracing: `{address}` is not host:port, and nothing is traced"));
    }
    (tracer, unsupported)
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

    #[test]
    fn json_and_yaml_are_read_and_what_has_no_effect_is_told() {
        for text in [
            r#"{"discoveryAddress":"a:1","concurrency":3,"drainDuration":"1m5s","tracing":{"zipkin":{"address":"z:9411"},"tlsSettings":{}},"meshId":"m"}"#,
            "discoveryAddress: a:1\nconcurrency: 3\ndrainDuration: 1m5s\ntracing:\n  zipkin: {address: 'z:9411'}\n  tlsSettings: {}\nmeshId: m\n",
        ] {
            let (config, unsupported) = ProxyConfig::parse(text).unwrap();
            assert_eq!((&*config.discovery_address, config.concurrency), ("a:1", Some(3)));
            assert_eq!(config.drain, Duration::from_secs(65));
            assert_eq!(unsupported.len(), 1, "{unsupported:?}");
            assert!(unsupported[0].contains("tracing"), "{unsupported:?}");
            assert_eq!(config.tracer, Tracer::at(TracerKind::Zipkin, "z:9411"));
            assert_eq!(config.written["tracing"]["zipkin"]["address"], "z:9411");
        }
        assert!(ProxyConfig::parse("concurrency: many").unwrap_err().contains("many"));
        assert!(ProxyConfig::parse("drainDuration: soon").unwrap_err().contains("drainDuration"));
        assert_eq!(ProxyConfig::parse("").unwrap().0.status_port, STATUS_PORT);
    }
}
