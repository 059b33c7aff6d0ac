//! PeerAuthentication: whether the proxies of workloads take mTLS, plaintext, or both.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::conditions::IstioStatus;
use crate::networking::workload_selector::MatchLabels;
use crate::schema::rules::{self, peer_authentication};

/// Whether workloads take mTLS, plaintext, or both: for some workloads, a namespace, or (in the root namespace) the mesh.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "security.istio.io",
    version = "v1",
    kind = "PeerAuthentication",
    plural = "peerauthentications",
    shortname = "pa",
    category = "istio-io",
    category = "security-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "Whether workloads take mTLS, plaintext, or both.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Mode",
        type_ = "string",
        json_path = ".spec.mtls.mode",
        description = "Defines the mTLS mode used for peer authentication."
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the object was created"
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::cel(&[peer_authentication::PORTS_OF_WORKLOADS])))]
pub struct PeerAuthenticationSpec {
    /// Workloads of the namespace that this is for. Default: all.
    pub selector: Option<MatchLabels>,
    /// What is taken on all ports.
    pub mtls: Option<MutualTls>,
    /// What is taken on single ports, by the workload's port number. Only with a selector.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend(
        "minProperties" = 1,
        "x-kubernetes-validations" = rules::cel(&[peer_authentication::PORT_NUMBERS])
    ))]
    pub port_level_mtls: BTreeMap<String, MutualTls>,
}

/// What is taken.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// Whether mTLS must be, may be or must not be spoken. Default UNSET: as said for more workloads, PERMISSIVE in the end.
    pub mode: Option<MutualTlsMode>,
}

/// Whether mTLS is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MutualTlsMode {
    /// As said for more workloads.
    Unset,
    /// Only plaintext is taken.
    Disable,
    /// Both are taken.
    Permissive,
    /// Only mTLS is taken.
    Strict,
}
