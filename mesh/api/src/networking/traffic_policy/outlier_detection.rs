//! `outlierDetection`: when failing endpoints are left out for a while.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_with::skip_serializing_none;

use crate::duration::Duration;
use crate::schema::rules;

/// Leaves failing endpoints out for a while (circuit breaking of single endpoints).
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutlierDetection {
    /// Deprecated, use `consecutiveGatewayErrors` or `consecutive5xxErrors`.
    pub consecutive_errors: Option<i32>,
    /// Counts failures to connect apart from errors answered. Default false.
    pub split_external_local_origin_errors: Option<bool>,
    /// Failures to connect in a row that leave an endpoint out; needs `splitExternalLocalOriginErrors`.
    /// Default 5.
    pub consecutive_local_origin_failures: Option<u32>,
    /// Answers 502, 503 or 504 in a row that leave an endpoint out. 0, the default, turns it off.
    pub consecutive_gateway_errors: Option<u32>,
    /// Answers 5xx in a row that leave an endpoint out. Default 5; 0 turns it off.
    pub consecutive_5xx_errors: Option<u32>,
    /// Time between sweeps. Default 10s.
    pub interval: Option<Duration>,
    /// Time an endpoint is left out the first time; grows with each time. Default 30s.
    pub base_ejection_time: Option<Duration>,
    /// Most endpoints left out at a time, in percent; one may always be. Default 10.
    pub max_ejection_percent: Option<i32>,
    /// Percent of healthy endpoints below which all are used. Default 0, which turns it off.
    pub min_health_percent: Option<i32>,
    /// Statuses that count as errors, in place of 5xx.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = rules::each(json!({ "minimum": 100, "maximum": 599 })))]
    pub outlier_detection_http_error_codes: Vec<u32>,
}
