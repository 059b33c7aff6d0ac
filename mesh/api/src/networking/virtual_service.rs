//! VirtualService: how requests to a host are routed.
//!
//! This file has the object and its TCP and TLS routes; what an HTTP route can do is in one file for each
//! block below.

pub mod cors;
pub mod fault;
pub mod headers;
pub mod http_match;
pub mod http_route;
pub mod mirror;
pub mod redirect;
pub mod retry;
pub mod rewrite;

use std::collections::BTreeMap;

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::destination::Destination;
use crate::conditions::IstioStatus;

pub use cors::{CorsPolicy, UnmatchedPreflights};
pub use fault::{Abort, Delay, HttpFaultInjection, Percent};
pub use headers::{HeaderOperations, Headers};
pub use http_match::HttpMatchRequest;
pub use http_route::{Delegate, HttpRoute, HttpRouteDestination};
pub use mirror::HttpMirrorPolicy;
pub use redirect::{DirectResponse, HttpBody, HttpRedirect, RedirectPortSelection};
pub use retry::HttpRetry;
pub use rewrite::{HttpRewrite, RegexRewrite};

/// Routes for the traffic to a set of hosts.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1",
    kind = "VirtualService",
    plural = "virtualservices",
    shortname = "vs",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "IstioStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "How requests to a set of hosts are routed.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Gateways",
        type_ = "string",
        json_path = ".spec.gateways",
        description = "The names of gateways and sidecars that should apply these routes"
    ),
    printcolumn(
        name = "Hosts",
        type_ = "string",
        json_path = ".spec.hosts",
        description = "The destination hosts to which traffic is being sent"
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
pub struct VirtualServiceSpec {
    /// Hosts whose traffic is routed: names with an optional leading `*.`, or IPs. A short name is completed
    /// with the object's namespace. Empty only in a delegate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Gateways that apply these routes, as `namespace/name` or `name`; `mesh` stands for all sidecars.
    /// Default: `mesh` alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Routes for HTTP traffic; the first that matches is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub http: Vec<HttpRoute>,
    /// Routes for TLS that is passed through undecrypted; the first that matches is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tls: Vec<TlsRoute>,
    /// Routes for other TCP traffic; the first that matches is used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<TcpRoute>,
    /// Namespaces that see these routes: names, `.` for its own, `*` for all, `~` for none. Default `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_to: Vec<String>,
}

/// A route for TLS connections, chosen by server name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsRoute {
    /// The route is used when any of these matches.
    #[serde(rename = "match")]
    pub matches: Vec<TlsMatchAttributes>,
    /// Where connections go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<RouteDestination>,
}

/// A route for TCP connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TcpRoute {
    /// The route is used when any of these matches, or always without any.
    #[serde(rename = "match", default, skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<L4MatchAttributes>,
    /// Where connections go.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route: Vec<RouteDestination>,
}

/// What a TLS connection is matched by; all that is set must hold.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsMatchAttributes {
    /// Server names, a leading `*.` allowed. Each must be covered by the VirtualService's hosts.
    pub sni_hosts: Vec<String>,
    /// Addresses or CIDR ranges the connection is made to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destination_subnets: Vec<String>,
    /// Port the connection is made to.
    pub port: Option<u32>,
    /// Labels the client workload must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_labels: BTreeMap<String, String>,
    /// Gateways this match is for, in place of the VirtualService's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Namespace the client workload must be in.
    pub source_namespace: Option<String>,
}

/// What a TCP connection is matched by; all that is set must hold.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct L4MatchAttributes {
    /// Addresses or CIDR ranges the connection is made to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub destination_subnets: Vec<String>,
    /// Port the connection is made to.
    pub port: Option<u32>,
    /// Address or CIDR range the connection comes from. Istio ignores it.
    pub source_subnet: Option<String>,
    /// Labels the client workload must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub source_labels: BTreeMap<String, String>,
    /// Gateways this match is for, in place of the VirtualService's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<String>,
    /// Namespace the client workload must be in.
    pub source_namespace: Option<String>,
}

/// One destination of a TCP or TLS route.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteDestination {
    /// The service.
    pub destination: Destination,
    /// Share of connections relative to the route's other destinations. A single destination gets all.
    pub weight: Option<i32>,
}
