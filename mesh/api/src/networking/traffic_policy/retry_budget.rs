//! `retryBudget`: a limit of retries that grows with the number of requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::duration::Duration;

/// Limits retries under way to a part of the requests under way.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetryBudget {
    /// Most retries, in percent of requests under way or waiting. Default 20.
    #[schemars(extend("minimum" = 0, "maximum" = 100))]
    pub percent: Option<f64>,
    /// Retries that are always allowed. Default 3.
    pub min_retry_concurrency: Option<u32>,
    /// Time over which requests are counted. Default: only those under way now.
    #[schemars(with = "Option<String>")]
    pub budget_interval: Option<Duration>,
}
