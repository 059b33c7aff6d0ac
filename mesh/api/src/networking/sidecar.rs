//! Sidecar: what a workload's proxy listens on and which services it can reach.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::destination::Destination;
use super::server_tls::ServerTlsSettings;
use super::traffic_policy::ConnectionPoolSettings;
use super::workload_selector::WorkloadSelector;
use crate::conditions::IstioStatus;

/// The proxy configuration of some workloads, of a namespace, or (in the root namespace) of the mesh.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1",
    kind = "Sidecar",
    plural = "sidecars",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "What a workload's proxy listens on and can reach.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Workloads",
        type_ = "string",
        json_path = ".spec.workloadSelector.labels",
        description = "Labels of the workloads that it is for; empty: those of the whole namespace"
    ),
    printcolumn(
        name = "Outbound",
        type_ = "string",
        json_path = ".spec.outboundTrafficPolicy.mode",
        description = "What becomes of traffic to destinations that nobody knows"
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
pub struct SidecarSpec {
    /// Workloads of the namespace that this is for. Default: all that no other Sidecar selects.
    pub workload_selector: Option<WorkloadSelector>,
    /// Listeners for traffic into the workload. Default: one for each port of its services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingress: Vec<IngressListener>,
    /// Listeners for traffic out of the workload, and the services behind them. Default: all services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub egress: Vec<EgressListener>,
    /// Limits for connections into the workload, on all its ports.
    pub inbound_connection_pool: Option<ConnectionPoolSettings>,
    /// What becomes of traffic to hosts that the mesh does not know. Default: as set for the mesh.
    pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
}

/// A listener for traffic into the workload.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IngressListener {
    /// Port to listen on.
    pub port: SidecarPort,
    /// IP to listen on; only for traffic that is not captured.
    pub bind: Option<String>,
    /// How traffic comes to the listener.
    pub capture_mode: Option<CaptureMode>,
    /// Where traffic goes: `127.0.0.1:PORT` or `0.0.0.0:PORT` (the workload's IP), or `unix:///path`.
    /// Default: the port it came to, on localhost.
    pub default_endpoint: Option<String>,
    /// TLS of clients outside the mesh.
    pub tls: Option<ServerTlsSettings>,
    /// Limits for connections, in place of `inboundConnectionPool`.
    pub connection_pool: Option<ConnectionPoolSettings>,
}

/// A listener for traffic out of the workload.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EgressListener {
    /// Port to listen on. Without one this is the listener for all ports that no other covers.
    pub port: Option<SidecarPort>,
    /// IP to listen on; or a Unix domain socket, as `unix:///path` (in a volume that proxy and workload share) or `unix://@name`
    /// (abstract). All ports of the services are there: requests name one as in `web:9080`, or mean 80; connections of bytes go to the
    /// first port of the oldest service.
    pub bind: Option<String>,
    /// How traffic comes to the listener.
    pub capture_mode: Option<CaptureMode>,
    /// Services that can be reached, as `namespace/host`. The namespace may be `*`, `.` (its own) or `~`
    /// (none), the host a name, `*` or `*.suffix`. With `~` before it, as in `~namespace/host` or `~/host` (of any namespace),
    /// what the others import is left out again.
    pub hosts: Vec<String>,
}

/// A port that a proxy listens on.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SidecarPort {
    /// Port number; of `egress`, none (or 0) where `bind` is a Unix domain socket.
    pub number: Option<u32>,
    /// HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP or TLS.
    pub protocol: Option<String>,
    /// Name of the port.
    pub name: Option<String>,
    /// Not used.
    pub target_port: Option<u32>,
}

/// How traffic comes to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CaptureMode {
    /// As the workload is set up.
    Default,
    /// Redirected by iptables.
    Iptables,
    /// The workload connects to the listener by itself.
    None,
}

/// What becomes of traffic to hosts that the mesh does not know.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutboundTrafficPolicy {
    /// Whether it is let through.
    pub mode: Option<OutboundTrafficMode>,
    /// Sends it to this service in place of its destination; only with ALLOW_ANY.
    pub egress_proxy: Option<Destination>,
}

/// Whether traffic to unknown hosts is let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OutboundTrafficMode {
    /// No: only services of the mesh can be reached.
    RegistryOnly,
    /// Yes, as it is.
    AllowAny,
    /// Yes; HTTP goes to the name that it asks for. Istio has this one for the whole mesh only.
    AllowAnyDynamicDns,
}
