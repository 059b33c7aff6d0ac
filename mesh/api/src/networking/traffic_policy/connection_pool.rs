//! `connectionPool`: limits and time-outs of connections.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::duration::Duration;

/// Limits for connections to a service, or into a workload.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionPoolSettings {
    /// Limits for every connection.
    pub tcp: Option<TcpSettings>,
    /// Limits for HTTP and gRPC.
    pub http: Option<HttpSettings>,
}

/// Limits for every connection.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpSettings {
    /// Most connections at a time. Default: no limit in practice (2^32-1).
    pub max_connections: Option<i32>,
    /// Time to open a connection. Default: the mesh's, 10s.
    pub connect_timeout: Option<Duration>,
    /// Keep-alive probes of the operating system. Default: none.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// Longest life of a connection. Default: no limit.
    pub max_connection_duration: Option<Duration>,
    /// Time without bytes after which a TCP connection is closed. Default 1h; `0s` for no limit.
    #[schemars(with = "Option<String>")]
    pub idle_timeout: Option<Duration>,
}

/// Keep-alive probes of the operating system.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpKeepalive {
    /// Unanswered probes after which the connection is dead. Default: the system's (Linux: 9).
    pub probes: Option<u32>,
    /// Time without bytes before the first probe. Default: the system's (Linux: 2h).
    pub time: Option<Duration>,
    /// Time between probes. Default: the system's (Linux: 75s).
    pub interval: Option<Duration>,
}

/// Limits for HTTP and gRPC.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpSettings {
    /// Most requests that wait for a connection. Default: no limit in practice (2^32-1).
    pub http1_max_pending_requests: Option<i32>,
    /// Most requests under way, HTTP/1.1 and HTTP/2. Default: no limit in practice (2^32-1).
    pub http2_max_requests: Option<i32>,
    /// Requests after which a connection is closed; 1 turns keep-alive off. Default 0, no limit.
    pub max_requests_per_connection: Option<i32>,
    /// Most retries under way. Default: no limit in practice (2^32-1).
    pub max_retries: Option<i32>,
    /// Time without requests after which a connection is closed. Default 1h.
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/1.1 is turned into HTTP/2 on the way to the service.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    /// Uses towards the service the HTTP version of the client; `h2UpgradePolicy` is then not used.
    pub use_client_protocol: Option<bool>,
    /// Most streams at a time on an HTTP/2 connection. Default 2^31-1.
    pub max_concurrent_streams: Option<i32>,
    /// Pings on HTTP/2 connections. Default: none.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// Whether HTTP/1.1 is turned into HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// As set for the mesh.
    Default,
    /// Never.
    DoNotUpgrade,
    /// Always.
    Upgrade,
}

/// Pings on HTTP/2 connections.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Http2KeepAlive {
    /// Time between pings.
    pub interval: Option<Duration>,
    /// Time to wait for the answer before the connection is closed.
    pub timeout: Option<Duration>,
}
