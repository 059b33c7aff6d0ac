//! What a proxy is started with, before it asks for configuration: the part of ProxyConfig that whoever starts it acts on.

use crate::{ClientTls, Duration, Labels, Metadata, Str, TcpKeepalive};
use serde::Serialize;
use std::{collections::BTreeMap, net::SocketAddr};

/// How a proxy is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProxyStart {
    /// `concurrency`: worker threads; zero is as many as there are processors. `None`: as whoever starts it sees fit.
    pub concurrency: Option<u32>,
    /// `proxyMetadata` of the mesh, and `environmentVariables` of ProxyConfig objects.
    pub environment: BTreeMap<Str, Str>,
    /// `tracing.zipkin` or `tracing.datadog`: where spans go that no listener sends elsewhere.
    pub tracer: Option<Tracer>,
    /// `envoyAccessLogService`: what takes accesses where the mesh tells such a service.
    pub access_log_service: Option<RemoteService>,
    /// `envoyMetricsService`: what takes all metrics.
    pub metrics_service: Option<RemoteService>,
    /// `statsdUdpAddress`: a statsd that takes them.
    pub statsd: Option<SocketAddr>,
    /// `extraStatTags`.
    pub stat_tags: Vec<Str>,
    /// `statsCompression`; `None`: metrics are sent compressed to whoever takes that.
    pub stats_compression: Option<bool>,
    /// `fileFlushInterval`; `None`: as whoever starts it sees fit.
    pub flush_interval: Option<Duration>,
    /// `fileFlushMinSizeKb`; `None`: as Envoy has it.
    pub flush_size: Option<u32>,
    /// `tracingServiceName`; `None`: by the name of the workload, with its namespace.
    pub service_name: Option<ServiceName>,
    /// `caCertificatesPem`: roots that it trusts besides those of the mesh.
    pub roots: Vec<Str>,
    /// `connectionSettings.globalDownstreamConnectionLimit`; `None`: as whoever starts it sees fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
}

impl ProxyStart {
    /// What `other` says, over this.
    pub fn overlay(&mut self, other: &ProxyStart) {
        fn over<T: Clone>(own: &mut Option<T>, other: &Option<T>) {
            if other.is_some() {
                own.clone_from(other);
            }
        }
        let Self {
            concurrency,
            environment,
            tracer,
            access_log_service,
            metrics_service,
            statsd,
            stat_tags,
            stats_compression,
            flush_interval,
            flush_size,
            service_name,
            roots,
            connection_limit,
        } = other;
        over(&mut self.concurrency, concurrency);
        over(&mut self.connection_limit, connection_limit);
        self.environment.extend(environment.iter().map(|(name, value)| (name.clone(), value.clone())));
        over(&mut self.tracer, tracer);
        over(&mut self.access_log_service, access_log_service);
        over(&mut self.metrics_service, metrics_service);
        over(&mut self.statsd, statsd);
        self.stat_tags.extend(stat_tags.iter().cloned());
        over(&mut self.stats_compression, stats_compression);
        over(&mut self.flush_interval, flush_interval);
        over(&mut self.flush_size, flush_size);
        over(&mut self.service_name, service_name);
        self.roots.extend(roots.iter().cloned());
    }
}

/// The tracer of a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Tracer {
    /// Whether Datadog's agent is spoken to, and not Zipkin.
    pub datadog: bool,
    /// `host:port`.
    pub address: Str,
    /// `tlsSettings`; `None`: plaintext.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
}

/// A service that a proxy calls by itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RemoteService {
    /// `host:port`.
    pub address: Str,
    /// `tlsSettings`; `None`: plaintext.
    pub tls: Option<ClientTls>,
    /// `tcpKeepalive`.
    pub keepalive: Option<TcpKeepalive>,
}

/// `tracingServiceName`: what spans call the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // The names are the values' own.
pub enum ServiceName {
    AppLabelAndNamespace,
    CanonicalNameOnly,
    CanonicalNameAndNamespace,
}

/// A ProxyConfig object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProxyConfig {
    /// The object.
    pub metadata: Metadata,
    /// `selector.matchLabels`; `None`: every workload of the namespace, or of the mesh in the root namespace.
    pub selector: Option<Labels>,
    /// What it says.
    pub start: ProxyStart,
}
