//! `http[].fault`: delays and errors injected on purpose.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::duration::Duration;
use crate::schema::rules;

/// Faults for a route. A delay comes before an abort; each hits its own share of requests.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpFaultInjection {
    /// Holds requests back.
    pub delay: Option<Delay>,
    /// Answers requests with an error.
    pub abort: Option<Abort>,
}

/// Holds requests back. At most one of the delays is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["fixedDelay", "exponentialDelay"])))]
pub struct Delay {
    /// Time to wait before forwarding, at least 1ms.
    pub fixed_delay: Option<Duration>,
    /// Mean time to wait. Istio does not implement it.
    pub exponential_delay: Option<Duration>,
    /// Deprecated, use `percentage`: whole percent of requests to delay.
    pub percent: Option<i32>,
    /// Percent of requests to delay. Without it, none.
    pub percentage: Option<Percent>,
}

/// Answers requests with an error. At most one of the errors is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["httpStatus", "grpcStatus", "http2Error"])))]
pub struct Abort {
    /// HTTP status to answer with.
    pub http_status: Option<i32>,
    /// gRPC status to answer with, by name (`UNAVAILABLE`) or number.
    pub grpc_status: Option<String>,
    /// HTTP/2 error to answer with. Istio does not implement it.
    pub http2_error: Option<String>,
    /// Percent of requests to abort. Without it, none.
    pub percentage: Option<Percent>,
}

/// A percentage.
#[skip_serializing_none]
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Percent {
    /// From 0 to 100, fractions allowed.
    pub value: Option<f64>,
}
