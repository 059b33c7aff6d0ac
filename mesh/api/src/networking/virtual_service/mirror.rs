//! `http[].mirrors[]`: destinations that get copies of requests.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::super::destination::Destination;
use super::fault::Percent;

/// A destination that gets copies of requests; its responses are thrown away.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpMirrorPolicy {
    /// The service that gets the copies.
    pub destination: Destination,
    /// Percent of requests to copy. Default 100.
    pub percentage: Option<Percent>,
}
