//! Namespace: its labels say whether it belongs to the mesh, and those of the root namespace in which network the cluster is.

use super::Model;
use crate::{at::At, meta::Meta};
use mesh_model::{NETWORK_LABEL, Reason};
use serde_json::Value;

/// Reads one object.
pub fn parse(meta: Meta, _: &Value, at: &At<'_>) -> Option<Model> {
    let root = &at.context().mesh_config.root_namespace;
    if meta.labels.contains_key(NETWORK_LABEL) && meta.metadata.object.name.name != *root {
        at.field("metadata").field("labels").field(NETWORK_LABEL).warning_hint(
            Reason::NotSupported,
            "this counts on the root namespace alone, and on pods",
            format!("label {root} if all of the cluster is in this network"),
        );
    }
    Some(Model::Namespace(meta.labels))
}
