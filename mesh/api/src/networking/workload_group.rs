//! WorkloadGroup: the template from which workloads outside Kubernetes register themselves.

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_with::skip_serializing_none;

use super::workload_entry::WorkloadEntrySpec;
use crate::conditions::IstioStatus;
use crate::schema::rules::{self, values, workload_entry};

/// A set of alike workloads outside Kubernetes, as a Deployment is a set of alike Pods.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1",
    kind = "WorkloadGroup",
    plural = "workloadgroups",
    shortname = "wg",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "A template for workloads that are not Pods.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "Time since the object was created"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadGroupSpec {
    /// Labels and annotations given to every WorkloadEntry made from this group.
    pub metadata: Option<WorkloadGroupMetadata>,
    /// What every WorkloadEntry made from this group starts with; address and labels are filled in when a
    /// workload registers.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[workload_entry::NO_PORTS_ON_UDS])))]
    pub template: WorkloadEntrySpec,
    /// How the agent beside the workload finds out whether it is healthy.
    pub probe: Option<ReadinessProbe>,
}

/// Labels and annotations for generated objects.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadGroupMetadata {
    /// Labels to set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 256))]
    pub annotations: BTreeMap<String, String>,
}

/// A health check run on the workload's own machine. At most one method is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("oneOf" = rules::at_most_one_of(&["httpGet", "tcpSocket", "exec", "grpc"])))]
pub struct ReadinessProbe {
    /// Seconds from start until the first check.
    #[schemars(range(min = 0))]
    pub initial_delay_seconds: Option<i32>,
    /// Seconds after which a check has failed. Default 1.
    #[schemars(range(min = 0))]
    pub timeout_seconds: Option<i32>,
    /// Seconds between checks. Default 10.
    #[schemars(range(min = 0))]
    pub period_seconds: Option<i32>,
    /// Successes in a row that make a failed workload healthy again. Default 1.
    #[schemars(range(min = 0))]
    pub success_threshold: Option<i32>,
    /// Failures in a row that make a healthy workload unhealthy. Default 3.
    #[schemars(range(min = 0))]
    pub failure_threshold: Option<i32>,
    /// Healthy when a GET is answered with a status from 200 to 399.
    pub http_get: Option<HttpHealthCheck>,
    /// Healthy when a connection can be opened.
    pub tcp_socket: Option<TcpHealthCheck>,
    /// Healthy when a command exits with 0.
    pub exec: Option<ExecHealthCheck>,
    /// Healthy when the gRPC health service says so.
    pub grpc: Option<GrpcHealthCheck>,
}

/// A check by an HTTP GET.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpHealthCheck {
    /// Path of the request. Default `/`.
    pub path: Option<String>,
    /// Port to connect to.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[values::PORT])))]
    pub port: u32,
    /// Host to connect to. Default: the workload's address.
    pub host: Option<String>,
    /// `HTTP` (the default) or `HTTPS`.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[values::SCHEME])))]
    pub scheme: Option<String>,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http_headers: Vec<HttpHeader>,
}

/// A header of a health check.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HttpHeader {
    /// Name of the header.
    #[schemars(extend("pattern" = values::HEADER_NAME))]
    pub name: Option<String>,
    /// Value of the header.
    pub value: Option<String>,
}

/// A check by opening a connection.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpHealthCheck {
    /// Host to connect to. Default: localhost.
    pub host: Option<String>,
    /// Port to connect to.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[values::PORT])))]
    pub port: u32,
}

/// A check by running a command, without a shell.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExecHealthCheck {
    /// The program and its arguments.
    #[schemars(transform = rules::each(json!({ "minLength": 1 })))]
    pub command: Vec<String>,
}

/// A check by `grpc.health.v1.Health/Check`.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GrpcHealthCheck {
    /// Port to connect to.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[values::PORT])))]
    pub port: Option<u32>,
    /// Service name put into the check. Default: empty.
    pub service: Option<String>,
}
