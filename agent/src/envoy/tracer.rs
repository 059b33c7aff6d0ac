//! The tracer of a bootstrap: where spans go whose listeners name no other one (Istio's `tracing` of a ProxyConfig).
//!
//! In: what takes spans, and where. Out: the `tracing` block and the static cluster that it names.

use serde_json::{Value, json};

use super::{Upstream, upstream::Speaks};

/// What takes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracer {
    /// What it speaks.
    pub kind: TracerKind,
    /// Where it is.
    pub to: Upstream,
}

/// What is spoken to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TracerKind {
    Zipkin,
    Datadog,
}

impl Tracer {
    fn cluster_name(&self) -> &'static str {
        match self.kind {
            TracerKind::Zipkin => "zipkin",
            TracerKind::Datadog => "datadog_agent",
        }
    }

    /// Its cluster.
    pub(super) fn cluster(&self) -> Value {
        self.to.cluster(self.cluster_name(), Speaks::Http1)
    }

    /// The `tracing` block. `service` is what the workload is called in traces.
    pub(super) fn tracing(&self, service: &str) -> Value {
        let Self { kind, to } = self;
        let (cluster, authority) = (self.cluster_name(), to.authority());
        let config = match kind {
            TracerKind::Zipkin => json!({
                "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": true,
                "shared_span_context": false,
                "collector_service": { "http_uri": {
                    "uri": format!("http://{authority}/api/v2/spans"),
                    "cluster": cluster,
                    "timeout": "5s",
                } },
            }),
            TracerKind::Datadog => json!({
                "@type": "type.googleapis.com/envoy.config.trace.v3.DatadogConfig",
                "collector_cluster": cluster,
                "collector_hostname": authority,
                "service_name": service,
            }),
        };
        let name = match kind {
            TracerKind::Zipkin => "envoy.tracers.zipkin",
            TracerKind::Datadog => "envoy.tracers.datadog",
        };
        json!({ "http": { "name": name, "typed_config": config } })
    }
}
