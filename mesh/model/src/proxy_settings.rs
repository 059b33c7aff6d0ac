//! Istio's ProxyConfig, as far as it shapes what a proxy is served; and limits of the connections that proxies take.

use crate::{Duration, ProxyHeaders, TracingSettings};
use serde::Serialize;
use std::sync::Arc;

/// `defaultConfig` of the mesh, or what a proxy brings along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ProxySettings {
    /// `proxyHeaders`.
    pub headers: ProxyHeaders,
    /// `tracing`.
    pub tracing: TracingSettings,
    /// `connectionSettings`.
    pub connections: Arc<ConnectionSettings>,
    /// Whether `envoyAccessLogService` names a service, for which the proxy has a cluster since its start.
    pub access_log_service: bool,
}

/// `connectionSettings`, with what its profile says. `None`: as Envoy has it, or as other settings say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)] // The names are the fields' own, without `http`.
pub struct ConnectionSettings {
    /// Bytes that a connection from a client may fill.
    pub listener_buffer: Option<u32>,
    /// Bytes that a connection to an endpoint may fill.
    pub cluster_buffer: Option<u32>,
    pub idle_timeout: Option<Duration>,
    pub max_connection_duration: Option<Duration>,
    pub drain_timeout: Option<Duration>,
    pub request_timeout: Option<Duration>,
    pub request_headers_timeout: Option<Duration>,
    pub stream_idle_timeout: Option<Duration>,
    pub max_stream_duration: Option<Duration>,
    pub max_concurrent_streams: Option<u32>,
    /// `http2InitialStreamWindowSize`, in bytes.
    pub stream_window: Option<u32>,
    /// `http2InitialConnectionWindowSize`, in bytes.
    pub connection_window: Option<u32>,
    pub underscores: Underscores,
    pub merge_slashes: Option<bool>,
    pub escaped_slashes: Option<EscapedSlashes>,
}

/// `httpHeadersWithUnderscoresAction`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum Underscores {
    #[default]
    Allow,
    RejectRequest,
    DropHeader,
}

/// `httpPathWithEscapedSlashesAction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum EscapedSlashes {
    KeepUnchanged,
    RejectRequest,
    UnescapeAndRedirect,
    UnescapeAndForward,
}
