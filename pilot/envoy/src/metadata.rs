//! Metadata `istio`: which object of the user's shaped a resource. Istio's form, which its tools and telemetry read.

use crate::envoy::{core, wkt};
use crate::names::ISTIO_METADATA;
use mesh_model::NamespacedName;

/// The path of an object as Istio writes it, for example
/// `/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews`.
pub(crate) fn config_path(kind: &str, object: &NamespacedName) -> String {
    let NamespacedName { namespace, name } = object;
    format!("/apis/networking.istio.io/v1/namespaces/{namespace}/{kind}/{name}")
}

/// A string in a `Struct`.
pub(crate) fn text(text: impl Into<String>) -> wkt::Value {
    wkt::Value { kind: Some(wkt::value::Kind::StringValue(text.into())) }
}

/// A `Struct` of these fields.
pub(crate) fn structure<'a>(fields: impl IntoIterator<Item = (&'a str, wkt::Value)>) -> wkt::Struct {
    wkt::Struct { fields: fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect() }
}

/// Metadata with nothing but `istio`.
pub(crate) fn istio(fields: wkt::Struct) -> core::Metadata {
    core::Metadata {
        filter_metadata: [(ISTIO_METADATA.to_owned(), fields)].into(),
        typed_filter_metadata: Default::default(),
    }
}

/// Metadata that names the object a resource comes from.
pub(crate) fn origin(kind: &str, object: &NamespacedName) -> core::Metadata {
    istio(structure([("config", text(config_path(kind, object)))]))
}

/// A list of values.
pub(crate) fn list(values: Vec<wkt::Value>) -> wkt::Value {
    wkt::Value { kind: Some(wkt::value::Kind::ListValue(wkt::ListValue { values })) }
}
