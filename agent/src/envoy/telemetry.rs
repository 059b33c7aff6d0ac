//! Whom a proxy tells of itself and of what passes, as its bootstrap says: what a mesh's configuration has no place for.
//!
//! In: settings of the proxy (Istio's ProxyConfig). Out: static clusters, sinks of metrics, and the tags that metrics are told with.

use std::{collections::BTreeSet, net::SocketAddr};

use serde_json::{Value, json};

use super::{Tracer, Upstream, upstream::Speaks};

/// The cluster that access logs of the control plane name. Istio's name.
const ACCESS_LOG_SERVICE: &str = "envoy_accesslog_service";
const METRICS_SERVICE: &str = "envoy_metrics_service";

/// Whom it tells, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Where spans go whose listeners name no other tracer.
    pub tracer: Option<Tracer>,
    /// What takes accesses where the mesh tells such a service of them.
    pub access_logs: Option<Upstream>,
    /// What takes all metrics, by Envoy's own protocol.
    pub metrics: Option<Upstream>,
    /// A statsd that takes them; Envoy looks no name up for it.
    pub statsd: Option<SocketAddr>,
    /// Tags that are taken out of the names of metrics, where `TAG.=.VALUE;.` stands in these.
    pub tags: Vec<String>,
    /// Whether metrics are sent to Prometheus as they are, even if it takes them compressed.
    pub uncompressed: bool,
}

impl Telemetry {
    /// What of that can be done without an agent: there is nobody who would hand certificates out.
    pub(super) fn without_secrets(&self) -> Self {
        let plain = |to: &Option<Upstream>| to.clone().filter(|to| to.tls.is_none());
        Self {
            tracer: self.tracer.clone().filter(|tracer| tracer.to.tls.is_none()),
            access_logs: plain(&self.access_logs),
            metrics: plain(&self.metrics),
            ..self.clone()
        }
    }

    /// The clusters of whom it tells.
    pub(super) fn clusters(&self) -> Vec<Value> {
        let Self { tracer, access_logs, metrics, statsd: _, tags: _, uncompressed: _ } = self;
        let services = [(METRICS_SERVICE, metrics), (ACCESS_LOG_SERVICE, access_logs)];
        let services =
            services.into_iter().filter_map(|(name, to)| Some(to.as_ref()?.cluster(name, Speaks::Http2)));
        tracer.iter().map(Tracer::cluster).chain(services).collect()
    }

    /// `stats_sinks`.
    pub(super) fn sinks(&self) -> Vec<Value> {
        let service = self.metrics.as_ref().map(|_| {
            json!({
                "name": "envoy.stat_sinks.metrics_service",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig",
                    "transport_api_version": "V3",
                    "grpc_service": { "envoy_grpc": { "cluster_name": METRICS_SERVICE } },
                },
            })
        });
        let statsd = self.statsd.map(|at| {
            json!({
                "name": "envoy.stat_sinks.statsd",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.config.metrics.v3.StatsdSink",
                    "address": { "socket_address": { "address": at.ip(), "port_value": at.port() } },
                },
            })
        });
        service.into_iter().chain(statsd).collect()
    }

    /// `stats_tags`. Envoy starts with no tag that is there twice.
    pub(super) fn stat_tags(&self) -> Vec<Value> {
        let mut seen = BTreeSet::new();
        let tags = self.tags.iter().filter(|tag| !tag.is_empty() && seen.insert(tag.as_str()));
        tags.map(|tag| json!({ "tag_name": tag, "regex": format!(r"({}\.=\.(.*?);\.)", escape(tag)) }))
            .collect()
    }

    /// Filters of the listener that Prometheus asks: it gets what it takes.
    pub(super) fn compressors(&self) -> Vec<Value> {
        let kinds = [
            ("brotli", "envoy.extensions.compression.brotli.compressor.v3.Brotli"),
            ("gzip", "envoy.extensions.compression.gzip.compressor.v3.Gzip"),
            ("zstd", "envoy.extensions.compression.zstd.compressor.v3.Zstd"),
        ];
        let kinds = kinds.into_iter().filter(|_| !self.uncompressed);
        kinds
            .map(|(kind, message)| {
                json!({
                    "name": format!("envoy.filters.http.compressor.{kind}"),
                    "typed_config": {
                        "@type": "type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor",
                        "compressor_library": {
                            "name": kind,
                            "typed_config": { "@type": format!("type.googleapis.com/{message}") },
                        },
                    },
                })
            })
            .collect()
    }
}

/// A text that a regular expression takes as it stands.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_punctuation() && character != '_' {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}
