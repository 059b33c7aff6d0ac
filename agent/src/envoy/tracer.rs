//! The tracer of a bootstrap: where spans go whose listeners name no other one (Istio's `tracing` of a ProxyConfig).
//!
//! In: what takes spans, and where. Out: the `tracing` block and the static cluster that it names. The cluster is looked up by the proxy, and
//! again and again: what takes spans may come later.

use serde_json::{Value, json};

/// What takes spans.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracer {
    /// What it speaks.
    pub kind: TracerKind,
    /// Its name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// What is spoken to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum TracerKind {
    Zipkin,
    Datadog,
}

impl Tracer {
    /// Of an address such as `zipkin.istio-system:9411`; `None` without a port.
    pub fn at(kind: TracerKind, address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().ok()?;
        (!host.is_empty()).then(|| Self { kind, host: host.to_owned(), port })
    }

    fn cluster_name(&self) -> &'static str {
        match self.kind {
            TracerKind::Zipkin => "zipkin",
            TracerKind::Datadog => "datadog_agent",
        }
    }

    /// Its cluster.
    pub(super) fn cluster(&self) -> Value {
        let Self { kind: _, host, port } = self;
        let name = self.cluster_name();
        let address = json!({ "socket_address": { "address": host, "port_value": port } });
        json!({
            "name": name,
            "type": "STRICT_DNS",
            "respect_dns_ttl": true,
            "dns_refresh_rate": "30s",
            "connect_timeout": "1s",
            "load_assignment": super::bootstrap::build_assignment(name, &address),
        })
    }

    /// The `tracing` block. `service` is what the workload is called in traces.
    pub(super) fn tracing(&self, service: &str) -> Value {
        let Self { kind, host, port } = self;
        let cluster = self.cluster_name();
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let config = match kind {
            TracerKind::Zipkin => json!({
                "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": true,
                "shared_span_context": false,
                "collector_service": { "http_uri": {
                    "uri": format!("http://{host}:{port}/api/v2/spans"),
                    "cluster": cluster,
                    "timeout": "5s",
                } },
            }),
            TracerKind::Datadog => json!({
                "@type": "type.googleapis.com/envoy.config.trace.v3.DatadogConfig",
                "collector_cluster": cluster,
                "collector_hostname": format!("{host}:{port}"),
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
