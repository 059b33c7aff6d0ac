//! DestinationRule: how a client's proxy talks to a service once routing has chosen it.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::traffic_policy::TrafficPolicy;
use super::workload_selector::MatchLabels;
use crate::conditions::IstioStatus;

/// Policies for traffic to a service, and the service's subsets.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1",
    kind = "DestinationRule",
    plural = "destinationrules",
    shortname = "dr",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "How traffic to a service is balanced, pooled and secured.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Host",
        type_ = "string",
        json_path = ".spec.host",
        description = "The name of a service from the service registry"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the object was created"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct DestinationRuleSpec {
    /// Host of the service, a leading `*.` allowed. A short name is completed with the object's namespace.
    pub host: String,
    /// Policy for all subsets and ports, where they have none of their own.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the service that routes can choose.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subsets: Vec<Subset>,
    /// Namespaces that see this rule: names, `.` for its own, `*` for all, `~` for none. Default `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_to: Vec<String>,
    /// Client workloads of the object's namespace that use this rule. Default: all.
    pub workload_selector: Option<MatchLabels>,
}

/// The endpoints of a service that have certain labels.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subset {
    /// Name by which routes choose the subset.
    pub name: String,
    /// Labels that the endpoints must have. None: all endpoints.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Policy for this subset; each block that is set replaces the service's.
    pub traffic_policy: Option<TrafficPolicy>,
}
