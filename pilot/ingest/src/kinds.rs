//! The kinds that are read: one row a kind. The file reader, the watches and the checks all loop over this table.
//!
//! In: one object as JSON. Out: what it means ([`Model`]) and what is wrong with it. Pure: an object's meaning never depends
//! on another object; joins come later (`assemble`).

mod deployment;
mod destination_rule;
mod distribution;
mod endpoint_slice;
mod mesh_config;
mod namespace;
mod node;
mod peer_authentication;
mod pod;
mod probe;
mod proxy_config;
mod secret;
mod service;
mod service_entry;
mod sidecar;
mod traffic_policy;
mod virtual_service;
mod workload_entry;
mod workload_group;

pub use deployment::{Deployment, Template};
pub use endpoint_slice::{EndpointSlice, SliceEndpoint, SlicePort};
pub use mesh_config::{IdentitySettings, RootSettings, read_identity};
pub use mesh_config::{
    MOST_GATEWAYS, check_annotation, mesh_settings_schema, mesh_settings_without_effect, parse_proxy_config,
};
pub use node::Node;
pub use pod::{DRAINING_LABEL, Pod, endpoint_accepts_mtls, has_sidecar, parse_locality_label};
pub use secret::KeyMaterial;
pub use service::{KubernetesService, ServiceGateway};
pub use service_entry::{EndpointTemplate, InlineEndpoint, ServiceEntry};
pub use virtual_service::{RouteParts, VirtualServiceDefinition};
pub use workload_entry::WorkloadEntry;
pub use workload_group::WorkloadGroup;

use crate::{at::At, meta::Meta, references::Reference, suppress::Suppress};
use mesh_model::{
    DestinationRule, Kind, Labels, MeshConfig, ObjectRef, PeerAuthentication, Problem, ProxyConfig, Sidecar,
    Source,
};
use serde_json::Value;
use std::sync::Arc;

/// What an object means by itself.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The names are the kinds' own.
pub enum Model {
    VirtualService(Arc<VirtualServiceDefinition>),
    DestinationRule(Arc<DestinationRule>),
    ServiceEntry(Arc<ServiceEntry>),
    WorkloadEntry(Arc<WorkloadEntry>),
    WorkloadGroup(Arc<WorkloadGroup>),
    Sidecar(Arc<Sidecar>),
    PeerAuthentication(Arc<PeerAuthentication>),
    Service(Arc<KubernetesService>),
    EndpointSlice(Arc<EndpointSlice>),
    Pod(Arc<Pod>),
    Node(Arc<Node>),
    /// Its labels.
    Namespace(Arc<Labels>),
    Deployment(Arc<Deployment>),
    ProxyConfig(Arc<ProxyConfig>),
    MeshConfig(Arc<MeshConfig>),
    /// Of a Secret, or a ConfigMap.
    KeyMaterial(Arc<KeyMaterial>),
}

/// What an object that cannot be used leaves in effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBad {
    /// Nothing: what it described is gone.
    Dropped,
    /// The last version of it that could be used, until the process restarts.
    LastGood,
    /// It fails closed: its `parse` makes of whatever it is given that what it selects is refused.
    Closed,
}

/// One kind.
#[derive(Debug)]
pub struct Row {
    /// The kind.
    pub kind: Kind,
    /// API group; empty for the core group.
    pub group: &'static str,
    /// Versions that are understood, the preferred one first.
    pub versions: &'static [&'static str],
    /// The resource's name in URLs.
    pub plural: &'static str,
    /// Whether its objects belong to a namespace.
    pub namespaced: bool,
    /// Whether a cluster is watched for it; the others are read from files only.
    pub watched: bool,
    /// What an unusable object leaves in effect.
    pub when_bad: WhenBad,
    /// Reads one object. `None` with errors reported: unusable; without: it means nothing for the mesh.
    pub(crate) parse: fn(Meta, &Value, &At<'_>) -> Option<Model>,
}

const NETWORKING: &str = "networking.istio.io";
const ISTIO_VERSIONS: &[&str] = &["v1", "v1beta1", "v1alpha3"];
const SECURITY: &str = "security.istio.io";
const SECURITY_VERSIONS: &[&str] = &["v1", "v1beta1"];

/// The table.
pub const KINDS: &[Row] = &[
    Row {
        kind: Kind::VirtualService,
        group: NETWORKING,
        versions: ISTIO_VERSIONS,
        plural: "virtualservices",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: virtual_service::parse,
    },
    Row {
        kind: Kind::DestinationRule,
        group: NETWORKING,
        versions: ISTIO_VERSIONS,
        plural: "destinationrules",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: destination_rule::parse,
    },
    Row {
        kind: Kind::ServiceEntry,
        group: NETWORKING,
        versions: ISTIO_VERSIONS,
        plural: "serviceentries",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: service_entry::parse,
    },
    Row {
        kind: Kind::WorkloadEntry,
        group: NETWORKING,
        versions: ISTIO_VERSIONS,
        plural: "workloadentries",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: workload_entry::parse,
    },
    Row {
        kind: Kind::WorkloadGroup,
        group: NETWORKING,
        versions: ISTIO_VERSIONS,
        plural: "workloadgroups",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: workload_group::parse,
    },
    Row {
        kind: Kind::Sidecar,
        group: NETWORKING,
        versions: ISTIO_VERSIONS,
        plural: "sidecars",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: sidecar::parse,
    },
    Row {
        kind: Kind::ProxyConfig,
        group: NETWORKING,
        versions: &["v1beta1"],
        plural: "proxyconfigs",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: proxy_config::parse,
    },
    Row {
        kind: Kind::PeerAuthentication,
        group: SECURITY,
        versions: SECURITY_VERSIONS,
        plural: "peerauthentications",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::Closed,
        parse: peer_authentication::parse,
    },
    Row {
        kind: Kind::Service,
        group: "",
        versions: &["v1"],
        plural: "services",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: service::parse,
    },
    Row {
        kind: Kind::EndpointSlice,
        group: "discovery.k8s.io",
        versions: &["v1"],
        plural: "endpointslices",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: endpoint_slice::parse,
    },
    Row {
        kind: Kind::Pod,
        group: "",
        versions: &["v1"],
        plural: "pods",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::Dropped,
        parse: pod::parse,
    },
    Row {
        kind: Kind::Node,
        group: "",
        versions: &["v1"],
        plural: "nodes",
        namespaced: false,
        watched: true,
        when_bad: WhenBad::Dropped,
        parse: node::parse,
    },
    Row {
        kind: Kind::Namespace,
        group: "",
        versions: &["v1"],
        plural: "namespaces",
        namespaced: false,
        watched: true,
        when_bad: WhenBad::Dropped,
        parse: namespace::parse,
    },
    Row {
        kind: Kind::MeshConfig,
        group: "",
        versions: &["v1"],
        plural: "configmaps",
        namespaced: true,
        watched: true,
        when_bad: WhenBad::LastGood,
        parse: mesh_config::parse,
    },
    Row {
        kind: Kind::ConfigMap,
        group: "",
        versions: &["v1"],
        plural: "configmaps",
        namespaced: true,
        // As Secrets.
        watched: false,
        when_bad: WhenBad::Dropped,
        parse: secret::parse_config_map,
    },
    Row {
        kind: Kind::Secret,
        group: "",
        versions: &["v1"],
        plural: "secrets",
        namespaced: true,
        // Those that are named are, one by one.
        watched: false,
        when_bad: WhenBad::Dropped,
        parse: secret::parse,
    },
    Row {
        kind: Kind::Deployment,
        group: "apps",
        versions: &["v1"],
        plural: "deployments",
        namespaced: true,
        watched: false,
        when_bad: WhenBad::LastGood,
        parse: deployment::parse,
    },
];

/// The row of `kind`.
pub fn row(kind: Kind) -> Option<&'static Row> {
    KINDS.iter().find(|row| row.kind == kind)
}

impl Row {
    /// `group/version`, or only the version in the core group, as `apiVersion` is written.
    pub fn api_version(&self) -> String {
        let version = self.versions.first().copied().unwrap_or_default();
        if self.group.is_empty() { version.to_owned() } else { format!("{}/{version}", self.group) }
    }

    /// Reads what `value` says; its metadata has been read before.
    pub(crate) fn parse(&self, meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
        (self.parse)(meta, value, at)
    }
}

/// One object as it is held: what it means and what is wrong with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Object {
    /// Which object.
    pub object: ObjectRef,
    /// Where it was read.
    pub source: Source,
    /// `metadata.generation`, 0 in files.
    pub generation: i64,
    /// Its meaning; `None` when it has none or cannot be used.
    pub model: Option<Model>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// What of its problems is not told.
    pub suppress: Suppress,
}
