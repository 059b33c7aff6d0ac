//! ProxyConfig: what proxies are started with.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_with::skip_serializing_none;

use super::workload_selector::MatchLabels;
use crate::conditions::IstioStatus;
use crate::schema::rules;

/// What the proxies of some workloads, a namespace, or (in the root namespace) the mesh are started with.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1beta1",
    kind = "ProxyConfig",
    plural = "proxyconfigs",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "What proxies are started with.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Workloads",
        type_ = "string",
        json_path = ".spec.selector.matchLabels",
        description = "Labels of the workloads that it is for; empty: those of the whole namespace"
    ),
    printcolumn(
        name = "Concurrency",
        type_ = "integer",
        json_path = ".spec.concurrency",
        description = "Worker threads of their proxies"
    ),
    printcolumn(
        name = "Image",
        type_ = "string",
        json_path = ".spec.image.imageType",
        description = "The image of their proxies"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the object was created"
    )
)]
#[serde(rename_all = "camelCase")]
// Each column says its own type.
#[allow(clippy::duplicated_attributes)]
pub struct ProxyConfigSpec {
    /// Workloads of the namespace that this is for. Default: all.
    pub selector: Option<MatchLabels>,
    /// Worker threads; 0 is as many as there are processors.
    #[schemars(range(min = 0))]
    pub concurrency: Option<i32>,
    /// Variables of the proxy's environment. Those that begin with `ISTIO_META_` are told the control plane.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(transform = rules::each(json!({ "maxLength": 2048 })))]
    pub environment_variables: BTreeMap<String, String>,
    /// The image that the proxy is run from.
    pub image: Option<ProxyImage>,
}

/// An image.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProxyImage {
    /// Which of the images of a release, such as `debug` or `distroless`.
    pub image_type: Option<String>,
}
