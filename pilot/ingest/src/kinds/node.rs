//! Node: where pods run.

use super::Model;
use crate::{at::At, meta::Meta};
use mesh_model::{Locality, REGION_LABEL, SUB_ZONE_LABEL, ZONE_LABEL};
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
            region: label(REGION_LABEL),
            zone: label(ZONE_LABEL),
            sub_zone: label(SUB_ZONE_LABEL),
        },
    })))
}
