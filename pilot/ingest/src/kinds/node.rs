//! Node: where pods run.

use super::Model;
use crate::{at::At, meta::Meta};
use mesh_model::Locality;
use serde_json::Value;
use std::sync::Arc;

/// A node.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Where it is.
    pub locality: Locality,
}

/// Reads one object.
pub fn parse(meta: Meta, _: &Value, _: &At<'_>) -> Option<Model> {
    let label = |name: &str| meta.labels.get(name).cloned().unwrap_or_default();
    Some(Model::Node(Arc::new(Node {
        locality: Locality {
            region: label("topology.kubernetes.io/region"),
            zone: label("topology.kubernetes.io/zone"),
            sub_zone: label("topology.istio.io/subzone"),
        },
    })))
}
