//! What a proxy is started with, before it asks for configuration: the part of ProxyConfig that whoever starts it acts on.

use crate::{Labels, Metadata, Str};
use serde::Serialize;
use std::collections::BTreeMap;

/// How a proxy is started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProxyStart {
    /// `concurrency`: worker threads; zero is as many as there are processors. `None`: as whoever starts it sees fit.
    pub concurrency: Option<u32>,
    /// `proxyMetadata` of the mesh, and `environmentVariables` of ProxyConfig objects.
    pub environment: BTreeMap<Str, Str>,
    /// `tracing.zipkin` or `tracing.datadog`: where spans go that no listener sends elsewhere.
    pub tracer: Option<Tracer>,
    /// `connectionSettings.globalDownstreamConnectionLimit`; `None`: as whoever starts it sees fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_limit: Option<u32>,
}

impl ProxyStart {
    /// What `other` says, over this.
    pub fn overlay(&mut self, other: &ProxyStart) {
        let Self { concurrency, environment, tracer, connection_limit } = other;
        self.concurrency = concurrency.or(self.concurrency);
        self.connection_limit = connection_limit.or(self.connection_limit);
        self.environment.extend(environment.iter().map(|(name, value)| (name.clone(), value.clone())));
        if tracer.is_some() {
            self.tracer.clone_from(tracer);
        }
    }
}

/// The tracer of a bootstrap.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Tracer {
    /// Whether Datadog's agent is spoken to, and not Zipkin.
    pub datadog: bool,
    /// `host:port`.
    pub address: Str,
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
