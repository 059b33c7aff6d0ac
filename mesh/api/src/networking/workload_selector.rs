//! The two spellings of "workloads with these labels": `labels` and `matchLabels`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rules;

/// Selects workloads of the object's namespace by their labels (Sidecar and ServiceEntry).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// Labels that a workload must all have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    #[schemars(transform = rules::each(rules::selector_value("wildcard is not supported in selector")))]
    pub labels: BTreeMap<String, String>,
}

/// Selects workloads of the object's namespace by their labels (DestinationRule and policies).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchLabels {
    /// Labels that a workload must all have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 4096, "x-kubernetes-validations" = rules::cel(&[
        ("self.all(key, !key.contains(\"*\"))", "wildcard not allowed in label key match"),
        ("self.all(key, key.size() != 0)", "key must not be empty"),
    ])))]
    #[schemars(transform = rules::each(rules::selector_value("wildcard not allowed in label value match")))]
    pub match_labels: BTreeMap<String, String>,
}
