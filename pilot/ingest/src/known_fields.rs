//! The fields of Kubernetes' own kinds.
//!
//! In: an object from a file. Out: fields that its kind does not have, as `kubectl` would refuse them: without a cluster nobody else tells
//! a user that `selctor` is not a field. What there is, Kubernetes' own types say.

use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, Namespace, Node, Pod, Secret, Service},
    discovery::v1::EndpointSlice,
};
use mesh_api::UnknownField;
use mesh_model::Kind;
use serde_json::Value;
use std::sync::LazyLock;

/// Fields of an object that its kind does not have.
pub fn check(kind: Kind, value: &Value) -> Vec<UnknownField> {
    match schema(kind) {
        Some(schema) => mesh_api::unknown_fields_in(schema, value),
        None => Vec::new(),
    }
}

/// The fields of a kind of Kubernetes' own.
fn schema(kind: Kind) -> Option<&'static Value> {
    macro_rules! cached {
        ($type:ty) => {{
            static SCHEMA: LazyLock<Value> = LazyLock::new(|| names_only(mesh_api::schema_of::<$type>()));
            &SCHEMA
        }};
    }
    Some(match kind {
        Kind::Service => cached!(Service),
        Kind::Deployment => cached!(Deployment),
        Kind::Pod => cached!(Pod),
        Kind::EndpointSlice => cached!(EndpointSlice),
        Kind::Node => cached!(Node),
        Kind::Namespace => cached!(Namespace),
        Kind::MeshConfig | Kind::ConfigMap => cached!(ConfigMap),
        Kind::Secret => cached!(Secret),
        Kind::VirtualService
        | Kind::DestinationRule
        | Kind::ServiceEntry
        | Kind::WorkloadEntry
        | Kind::WorkloadGroup
        | Kind::Sidecar
        | Kind::ProxyConfig
        | Kind::PeerAuthentication => return None,
    })
}

/// What is needed of a schema to know names: their documentation is a book.
fn names_only(schema: Value) -> Value {
    let Value::Object(schema) = schema else { return Value::Null };
    let kept = schema.into_iter().filter_map(|(key, value)| match (&*key, value) {
        ("properties", Value::Object(fields)) => {
            let fields = fields.into_iter().map(|(name, schema)| (name, names_only(schema)));
            Some((key, Value::Object(fields.collect())))
        }
        ("items" | "additionalProperties", below) => Some((key, names_only(below))),
        _ => None,
    });
    Value::Object(kept.collect())
}
