//! `tunnel`: TCP connections wrapped in HTTP towards a proxy.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// Wraps TCP and TLS connections in HTTP; the rule's host is the proxy they go through.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TunnelSettings {
    /// HTTP method: `CONNECT` (the default) or `POST`.
    pub protocol: Option<String>,
    /// Host the proxy is asked to connect to.
    pub target_host: String,
    /// Port the proxy is asked to connect to.
    pub target_port: u32,
}
