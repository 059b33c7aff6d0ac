//! ServiceEntry: a service that Kubernetes does not know, inside or outside the mesh.

use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_with::skip_serializing_none;

use super::workload_entry::WorkloadEntrySpec;
use super::workload_selector::WorkloadSelector;
use crate::conditions::{IstioCondition, ObservedGeneration, ValidationMessage};
use crate::schema::rules::{self, service_entry, values};

/// Adds a service to the mesh's registry.
#[skip_serializing_none]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "networking.istio.io",
    version = "v1",
    kind = "ServiceEntry",
    plural = "serviceentries",
    shortname = "se",
    category = "istio-io",
    category = "networking-istio-io",
    namespaced,
    status = "ServiceEntryStatus",
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    doc = "A service that is not a Kubernetes Service.",
    crates(kube_core = "::kube_core"),
    printcolumn(
        name = "Hosts",
        type_ = "string",
        json_path = ".spec.hosts",
        description = "The hosts associated with the ServiceEntry"
    ),
    printcolumn(
        name = "Location",
        type_ = "string",
        json_path = ".spec.location",
        description = "Whether the service is external to the mesh or part of the mesh (MESH_EXTERNAL or MESH_INTERNAL)"
    ),
    printcolumn(
        name = "Resolution",
        type_ = "string",
        json_path = ".spec.resolution",
        description = "Service resolution mode for the hosts (NONE, STATIC, or DNS)"
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
#[schemars(extend("x-kubernetes-validations" = rules::cel(&[
    service_entry::ENDPOINTS_OR_SELECTOR,
    service_entry::CIDR_RESOLUTION,
    service_entry::NONE_WITHOUT_ENDPOINTS,
    service_entry::ROUND_ROBIN_ONE_ENDPOINT,
])))]
pub struct ServiceEntrySpec {
    /// Names of the service: DNS names, a leading `*.` allowed. HTTP traffic is matched by Host, TLS by SNI.
    #[schemars(extend("minItems" = 1, "maxItems" = 256))]
    #[schemars(transform = rules::each(json!({ "x-kubernetes-validations": rules::cel(&[service_entry::NOT_ANY_HOST]) })))]
    pub hosts: Vec<String>,
    /// Virtual IPs or CIDR ranges by which TCP traffic is matched. Without any, an address is allocated
    /// where DNS capture is in use, else traffic is matched by port alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 256))]
    #[schemars(transform = rules::each(json!({ "maxLength": 64 })))]
    pub addresses: Vec<String>,
    /// Ports of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "maxItems" = 256,
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["name"],
        "x-kubernetes-validations" = rules::cel(&[service_entry::PORT_NUMBERS_UNIQUE]),
    ))]
    pub ports: Vec<ServicePort>,
    /// Whether the service is part of the mesh. Default MESH_EXTERNAL.
    pub location: Option<Location>,
    /// How the addresses of the service's endpoints are found. Default NONE.
    pub resolution: Option<Resolution>,
    /// Endpoints of the service. Not together with `workloadSelector`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 4096))]
    pub endpoints: Vec<WorkloadEntrySpec>,
    /// Takes Pods and WorkloadEntries with these labels as endpoints. Not together with `endpoints`.
    pub workload_selector: Option<WorkloadSelector>,
    /// Namespaces that see this service: names, `.` for its own, `*` for all, `~` for none. Default `*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub export_to: Vec<String>,
    /// Names of which the server's certificate must carry one: for mTLS besides the identities of its endpoints, otherwise where
    /// the `tls` of a DestinationRule names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<String>,
}

/// A port of a ServiceEntry.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Port number that clients connect to.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[values::PORT])))]
    pub number: u32,
    /// HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, MONGO, TCP or TLS. TLS and HTTPS are routed by SNI without being
    /// decrypted. Without it the protocol is detected.
    #[schemars(extend("maxLength" = 256))]
    pub protocol: Option<String>,
    /// Name of the port, unique in the ServiceEntry.
    #[schemars(extend("maxLength" = 256))]
    pub name: String,
    /// Port that the endpoints listen on. Default: `number`.
    #[schemars(extend("x-kubernetes-validations" = rules::cel(&[values::PORT])))]
    pub target_port: Option<u32>,
}

/// Whether a service is part of the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Location {
    /// Outside: plaintext or TLS of its own, no mesh identity.
    MeshExternal,
    /// Inside: endpoints have sidecars or behave as if they had.
    MeshInternal,
}

/// How the endpoints of a service are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// The proxy forwards to the address the client connected to.
    None,
    /// The addresses of `endpoints` are used as they are.
    Static,
    /// The proxy resolves the endpoints' names (or the hosts) and uses every address.
    Dns,
    /// As DNS, but each new connection uses only the first address of the answer.
    DnsRoundRobin,
    /// The proxy resolves the name in each request; needed for wildcard hosts.
    DynamicDns,
}

/// What the control plane reports on a ServiceEntry.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
pub struct ServiceEntryStatus {
    /// State of the object, one entry for each aspect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<IstioCondition>,
    /// Problems found in the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub validation_messages: Vec<ValidationMessage>,
    /// Generation of the spec that this status describes.
    pub observed_generation: Option<ObservedGeneration>,
    /// Addresses allocated to the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<ServiceEntryAddress>,
}

/// An address allocated to a ServiceEntry.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceEntryAddress {
    /// The IP address.
    pub value: Option<String>,
    /// The host it belongs to.
    pub host: Option<String>,
}
