//! The discovery messages that travel on an ADS stream, written by hand: bytes in, plain structs out.
//!
//! Field numbers are those of `envoy/service/discovery/v3/discovery.proto` and `envoy/config/core/v3/base.proto`. Only
//! what the server reads is declared; prost skips the rest. Nothing here knows what is inside a resource.

use bytes::Bytes;

/// `envoy.service.discovery.v3.DiscoveryRequest`: state of the world.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryRequest {
    /// Version of the last accepted response; informative only, the nonce decides.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// Who asks; only the first request of a stream must carry it.
    #[prost(message, optional, tag = "2")]
    pub node: Option<Node>,
    /// Every name the client wants of this type.
    #[prost(string, repeated, tag = "3")]
    pub resource_names: Vec<String>,
    /// The type asked for.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// Nonce of the response this request answers; empty on the first request of a type.
    #[prost(string, tag = "5")]
    pub response_nonce: String,
    /// Present when the response was rejected.
    #[prost(message, optional, tag = "6")]
    pub error_detail: Option<Status>,
}

/// `envoy.service.discovery.v3.DeltaDiscoveryRequest`: incremental.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryRequest {
    /// Who asks; only the first request of a stream must carry it.
    #[prost(message, optional, tag = "1")]
    pub node: Option<Node>,
    /// The type asked for.
    #[prost(string, tag = "2")]
    pub type_url: String,
    /// Names to add to the subscription; `*` stands for everything.
    #[prost(string, repeated, tag = "3")]
    pub resource_names_subscribe: Vec<String>,
    /// Names to drop from the subscription.
    #[prost(string, repeated, tag = "4")]
    pub resource_names_unsubscribe: Vec<String>,
    /// What the client still has from an earlier stream: a protobuf map, which is a list of [`NameVersion`]s on the wire. They are left
    /// encoded: a proxy that reconnects brings thousands, and mostly they are only compared as a whole.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub initial_resource_versions: Vec<Bytes>,
    /// Nonce of the response this request answers; empty when it only changes the subscription.
    #[prost(string, tag = "6")]
    pub response_nonce: String,
    /// Present when the response was rejected.
    #[prost(message, optional, tag = "7")]
    pub error_detail: Option<Status>,
}

/// One entry of `initial_resource_versions`. Both fields are strings, read without a copy.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct NameVersion {
    /// Resource name.
    #[prost(bytes = "bytes", tag = "1")]
    pub name: Bytes,
    /// The version the client holds.
    #[prost(bytes = "bytes", tag = "2")]
    pub version: Bytes,
}

impl NameVersion {
    /// The entry, as every client writes it: fields in order, empty ones left out.
    pub fn encoded(name: &str, version: &str) -> Bytes {
        let entry = Self {
            name: Bytes::copy_from_slice(name.as_bytes()),
            version: Bytes::copy_from_slice(version.as_bytes()),
        };
        prost::Message::encode_to_vec(&entry).into()
    }
}

/// `envoy.service.discovery.v3.DiscoveryResponse`. The server never builds one: it concatenates encoded fields.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DiscoveryResponse {
    /// Informative version of the whole response.
    #[prost(string, tag = "1")]
    pub version_info: String,
    /// The resources.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Any>,
    /// Their type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// To be repeated by the client when it accepts or rejects.
    #[prost(string, tag = "5")]
    pub nonce: String,
}

/// `envoy.service.discovery.v3.DeltaDiscoveryResponse`. The server never builds one: it concatenates encoded fields.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DeltaDiscoveryResponse {
    /// Informative version of the whole response.
    #[prost(string, tag = "1")]
    pub system_version_info: String,
    /// Resources that are new or changed.
    #[prost(message, repeated, tag = "2")]
    pub resources: Vec<Resource>,
    /// Their type.
    #[prost(string, tag = "4")]
    pub type_url: String,
    /// To be repeated by the client when it accepts or rejects.
    #[prost(string, tag = "5")]
    pub nonce: String,
    /// Names that exist no more.
    #[prost(string, repeated, tag = "6")]
    pub removed_resources: Vec<String>,
}

/// `envoy.service.discovery.v3.Resource`.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Resource {
    /// Content version.
    #[prost(string, tag = "1")]
    pub version: String,
    /// The resource itself.
    #[prost(message, optional, tag = "2")]
    pub resource: Option<Any>,
    /// Canonical name.
    #[prost(string, tag = "3")]
    pub name: String,
    /// Other names under which the client asked for it.
    #[prost(string, repeated, tag = "4")]
    pub aliases: Vec<String>,
}

/// `google.protobuf.Any`, with its value as shared bytes.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Any {
    /// Type of the value.
    #[prost(string, tag = "1")]
    pub type_url: String,
    /// The encoded message.
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// `google.rpc.Status`, as far as a rejection uses it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Status {
    /// gRPC code.
    #[prost(int32, tag = "1")]
    pub code: i32,
    /// What the client did not like.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// `envoy.config.core.v3.Node`: what a proxy says of itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Node {
    /// `sidecar~ip~name.ns~ns.svc.cluster.local`.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Service cluster; no logic depends on it.
    #[prost(string, tag = "2")]
    pub cluster: String,
    /// Istio's node metadata.
    #[prost(message, optional, tag = "3")]
    pub metadata: Option<prost_types::Struct>,
    /// Where the proxy runs.
    #[prost(message, optional, tag = "4")]
    pub locality: Option<Locality>,
    /// `envoy`, or the name of a gRPC library.
    #[prost(string, tag = "6")]
    pub user_agent_name: String,
    /// Free-form version.
    #[prost(string, tag = "7")]
    pub user_agent_version: String,
    /// Structured version.
    #[prost(message, optional, tag = "8")]
    pub user_agent_build_version: Option<BuildVersion>,
    /// Every extension built into the proxy: tells what it can do better than its version does.
    #[prost(message, repeated, tag = "9")]
    pub extensions: Vec<Extension>,
    /// Optional protocol abilities.
    #[prost(string, repeated, tag = "10")]
    pub client_features: Vec<String>,
}

/// `envoy.config.core.v3.Locality`.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Locality {
    /// Region.
    #[prost(string, tag = "1")]
    pub region: String,
    /// Zone.
    #[prost(string, tag = "2")]
    pub zone: String,
    /// Sub-zone.
    #[prost(string, tag = "3")]
    pub sub_zone: String,
}

/// `envoy.config.core.v3.BuildVersion`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct BuildVersion {
    /// The semantic version.
    #[prost(message, optional, tag = "1")]
    pub version: Option<SemanticVersion>,
    /// Build label, revision and the like.
    #[prost(message, optional, tag = "2")]
    pub metadata: Option<prost_types::Struct>,
}

/// `envoy.type.v3.SemanticVersion`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Message)]
pub struct SemanticVersion {
    /// Major.
    #[prost(uint32, tag = "1")]
    pub major_number: u32,
    /// Minor.
    #[prost(uint32, tag = "2")]
    pub minor_number: u32,
    /// Patch.
    #[prost(uint32, tag = "3")]
    pub patch: u32,
}

/// `envoy.config.core.v3.Extension`, by name only.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub struct Extension {
    /// For example `envoy.filters.http.on_demand`.
    #[prost(string, tag = "1")]
    pub name: String,
    /// For example `envoy.filters.http`.
    #[prost(string, tag = "2")]
    pub category: String,
}
