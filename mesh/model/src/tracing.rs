//! How requests are traced: what proxies tell of them, and to whom.

use crate::{Duration, Host, Percent, Str};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Whether the mesh's proxies trace requests: `enableTracing` and `defaultProviders.tracing`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum MeshTracing {
    /// They do not.
    #[default]
    Off,
    /// `enableTracing`: spans go where the bootstrap of each proxy says (`defaultConfig.tracing`).
    Bootstrap,
    /// `defaultProviders.tracing`: spans go to one of `extensionProviders`.
    Provider(Arc<TracingProvider>),
}

/// The service that one of `extensionProviders` is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProviderService {
    /// Its namespace; `None`: whichever has it.
    pub namespace: Option<Str>,
    /// Its name.
    pub host: Host,
    /// On which of its ports.
    pub port: u16,
}

/// One of `extensionProviders` that takes spans.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TracingProvider {
    /// The service that takes spans.
    #[serde(flatten)]
    pub to: ProviderService,
    /// `maxTagLength`: how much of a path is told.
    pub max_path_length: Option<u32>,
    /// What is spoken.
    pub protocol: TracingProtocol,
}

/// What is spoken to a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum TracingProtocol {
    /// `zipkin`: JSON, version 2.
    Zipkin {
        /// How it is asked.
        request: TracingRequest,
        /// `enable64bitTraceId`: ids of traces have 64 bits, and not 128.
        short_ids: bool,
        /// `traceContextOption: USE_B3_WITH_W3C_PROPAGATION`: traces go on by the headers of the W3C, too.
        w3c: bool,
    },
    /// `datadog`: a Datadog agent.
    Datadog,
    /// `skywalking`.
    SkyWalking {
        /// `accessToken`; empty: none.
        token: Str,
    },
    /// `opentelemetry` with `http`.
    OtlpHttp {
        /// How it is asked.
        request: TracingRequest,
        /// What describes the proxy besides its name.
        detectors: ResourceDetectors,
    },
    /// `opentelemetry` over gRPC.
    OtlpGrpc {
        /// `grpc.timeout`; `None`: Envoy's own.
        timeout: Option<Duration>,
        /// `grpc.initialMetadata`.
        metadata: Vec<(Str, Str)>,
        /// What describes the proxy besides its name.
        detectors: ResourceDetectors,
    },
}

impl TracingProtocol {
    /// Whether the name of the workload is a part of what proxies are configured with: others take it from the proxy itself.
    pub fn names_workload(&self) -> bool {
        match self {
            Self::Zipkin { .. } | Self::SkyWalking { .. } => false,
            Self::Datadog | Self::OtlpHttp { .. } | Self::OtlpGrpc { .. } => true,
        }
    }
}

/// How a provider is asked over HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TracingRequest {
    /// Where spans are posted.
    pub path: Str,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Headers besides.
    pub headers: Vec<(Str, Str)>,
}

/// `resourceDetectors`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // The names are the fields' own.
pub struct ResourceDetectors {
    pub environment: bool,
    pub dynatrace: bool,
}

/// `tracing` of a ProxyConfig, as far as it shapes what a proxy is served.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TracingSettings {
    /// `sampling`: of requests that no caller has decided about.
    pub sampling: Percent,
    /// `customTags`.
    pub tags: BTreeMap<Str, SpanTag>,
    /// `maxPathTagLength`; `None`: Envoy's 256.
    pub max_path_length: Option<u32>,
    /// `enableIstioTags: false`: spans do not say whose proxy has made them.
    pub without_workload_tags: bool,
}

impl Default for TracingSettings {
    /// Istio's: one request in a hundred.
    fn default() -> Self {
        Self {
            sampling: Percent::whole(1),
            tags: BTreeMap::new(),
            max_path_length: None,
            without_workload_tags: false,
        }
    }
}

/// What a tag of a span says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum SpanTag {
    /// Always the same.
    Literal(Str),
    /// A variable of the proxy's environment, or else this, or no tag.
    Environment(Str, Str),
    /// A header of the request, or else this, or no tag.
    Header(Str, Str),
}
