//! `localityLbSetting` and `zoneAwareLbSetting`: preference for near endpoints, and where to go instead.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// Preference for near localities. Of `distribute`, `failover` and `failoverPriority` only one may be set
/// (`failover` may go with `failoverPriority`). Failing over needs outlier detection.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocalityLbSetting {
    /// Fixed shares of traffic from one locality to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub distribute: Vec<Distribute>,
    /// Region to use when a region has no healthy endpoint left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<Failover>,
    /// Labels, most important first: endpoints that share more of them with the client come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover_priority: Vec<String>,
    /// Whether localities count at all. Default: as set for the mesh.
    pub enabled: Option<bool>,
}

/// Shares of the traffic from a locality.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Distribute {
    /// Where clients are, as `region/zone/subzone`; `*` for any part.
    pub from: Option<String>,
    /// Percent of traffic for each locality; together 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub to: BTreeMap<String, u32>,
}

/// Where traffic of a region goes when its endpoints fail.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failover {
    /// Region of the clients.
    pub from: Option<String>,
    /// Region to use instead.
    pub to: Option<String>,
}

/// Keeps traffic inside a zone as far as that leaves no endpoint with more than its part.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAwareLbSetting {
    /// Whether it is on.
    pub enabled: Option<bool>,
    /// Region to use when a region has no healthy endpoint left.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover: Vec<Failover>,
    /// Labels, most important first: endpoints that share more of them with the client come first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failover_priority: Vec<String>,
    /// Endpoints in the client's region below which zones do not count.
    #[schemars(extend("minimum" = 1))]
    pub min_cluster_size: Option<u32>,
}
