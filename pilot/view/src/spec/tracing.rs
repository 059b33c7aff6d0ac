//! How requests are traced. Mirrors `HttpConnectionManager.tracing`.

use mesh_model::{Percent, SpanTag, Str, TracingProtocol};
use std::{collections::BTreeMap, sync::Arc};

/// What a connection manager tells of the requests that pass it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TracingSpec {
    /// To whom; `None`: to the tracer of the bootstrap, if it has one.
    pub tracer: Option<TracerSpec>,
    /// Of requests that no caller has decided about.
    pub sampling: Percent,
    /// Tags of each span.
    pub tags: BTreeMap<Str, SpanTag>,
    /// How much of a path is told; `None`: Envoy's default.
    pub max_path_length: Option<u32>,
    /// The namespace of the workload, where spans say whose proxy has made them.
    pub workload_namespace: Option<Str>,
}

/// Who takes spans.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TracerSpec {
    /// How it is called.
    pub host: Str,
    /// Its cluster, which the proxy has.
    pub cluster: Str,
    /// What is spoken.
    pub protocol: Arc<TracingProtocol>,
    /// The workload's name, where the proxy has to be told; else empty.
    pub service_name: Str,
}
