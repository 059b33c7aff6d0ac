//! The two spellings of "workloads with these labels": `labels` and `matchLabels`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::rules::{self, values};

/// Selects workloads of the object's namespace by their labels (Sidecar and ServiceEntry).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSelector {
    /// Labels that a workload must all have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    #[schemars(transform = rules::each(rules::selector_value(values::NO_WILDCARD_IN_LABEL)))]
    pub labels: BTreeMap<String, String>,
}

/// Selects workloads of the object's namespace by their labels (DestinationRule and policies).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MatchLabels {
    /// Labels that a workload must all have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 4096, "x-kubernetes-validations" = rules::cel(&[
        values::NO_WILDCARD_IN_KEY,
        values::KEY_NOT_EMPTY,
    ])))]
    #[schemars(transform = rules::each(rules::selector_value(values::NO_WILDCARD_IN_POLICY_LABEL)))]
    pub match_labels: BTreeMap<String, String>,
}
