//! Namespace: its labels say whether it belongs to the mesh.

use super::{Model, pod::NETWORK_LABEL};
use crate::{at::At, meta::Meta};
use serde_json::Value;

/// Reads one object.
pub fn parse(meta: Meta, _: &Value, at: &At<'_>) -> Option<Model> {
    let at = at.field("metadata");
    at.field("labels").not_supported(NETWORK_LABEL, meta.labels.contains_key(NETWORK_LABEL));
    Some(Model::Namespace(meta.labels))
}
