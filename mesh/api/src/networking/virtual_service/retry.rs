//! `http[].retries`: when and how often a failed request is tried again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::duration::Duration;

/// Retries of failed requests.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpRetry {
    /// Retries after the first try. 0 or less turns retries off.
    pub attempts: Option<i32>,
    /// Time for each try. Default: the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// Conditions for a retry, separated by commas: Envoy's HTTP and gRPC names, or status codes.
    pub retry_on: Option<String>,
    /// Whether retries may go to another locality.
    pub retry_remote_localities: Option<bool>,
    /// Whether retries avoid hosts that were tried. Default true.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// Shortest wait before a retry; grows with each. Default 25ms.
    pub backoff: Option<Duration>,
}
