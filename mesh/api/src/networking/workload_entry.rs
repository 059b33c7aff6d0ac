//! WorkloadEntry: one workload that is not a Pod, such as a virtual machine.
//!
//! The spec is also the type of a ServiceEntry's endpoints and of a WorkloadGroup's template.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_with::skip_serializing_none;

use crate::conditions::IstioStatus;
use crate::schema::rules::{self, values, workload_entry as endpoint};

/// A workload outside Kubernetes, or an endpoint of a ServiceEntry.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1",
    kind = "WorkloadEntry",
    plural = "workloadentries",
    shortname = "we",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "A workload that is not a Pod.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the object was created"
    ),
    printcolumn(
        name = "Address",
        type_ = "string",
        json_path = ".spec.address",
        description = "Address associated with the network endpoint."
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::cel(&[endpoint::ADDRESS_REQUIRED, endpoint::NO_PORTS_ON_UDS])))]
pub struct WorkloadEntrySpec {
    /// Address without a port: an IP, a DNS name (only where the ServiceEntry resolves by DNS), or
    /// `unix:///path` (only with resolution STATIC). Empty with `network` set means the network's gateway.
    #[schemars(extend("maxLength" = 256, "x-kubernetes-validations" = rules::cel(&[endpoint::UDS_ABSOLUTE, endpoint::UDS_NO_FOLDER])))]
    pub address: Option<String>,
    /// Port of this endpoint for a port name of the service. Without an entry the service's target port
    /// or port number is used.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 128, "x-kubernetes-validations" = rules::cel(&[endpoint::PORT_NAMES])))]
    #[schemars(transform = rules::each(json!({ "x-kubernetes-validations": rules::cel(&[values::PORT]) })))]
    pub ports: BTreeMap<String, u32>,
    /// Labels of the workload, for subsets and selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    pub labels: BTreeMap<String, String>,
    /// Network the endpoint is in. Endpoints of another network are reached through its gateway.
    #[schemars(extend("maxLength" = 2048))]
    pub network: Option<String>,
    /// Locality as `region/zone/subzone`; later parts may be left out.
    #[schemars(extend("maxLength" = 2048))]
    pub locality: Option<String>,
    /// Share of traffic relative to the other endpoints. Default 1.
    pub weight: Option<u32>,
    /// Kubernetes service account the workload runs as; part of its identity.
    #[schemars(extend("maxLength" = 253))]
    pub service_account: Option<String>,
}
