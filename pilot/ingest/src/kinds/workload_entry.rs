//! WorkloadEntry.

use super::{
    Model,
    service_entry::{InlineEndpoint, parse_endpoint},
};
use crate::{at::At, decode::decode_spec, meta::Meta};
use mesh_api::WorkloadEntrySpec;
use mesh_model::Metadata;
use serde_json::Value;
use std::sync::Arc;

/// A workload outside Kubernetes.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadEntry {
    /// The object.
    pub metadata: Metadata,
    /// What it says; labels are the spec's, which count for selectors and subsets.
    pub endpoint: InlineEndpoint,
}

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let spec: WorkloadEntrySpec = decode_spec(value, at)?;
    let mut endpoint = parse_endpoint(spec, None, &at.field("spec"))?;
    if !meta.labels.is_empty() {
        // Istio merges both; the spec's win.
        let mut labels = (*meta.labels).clone();
        labels.extend(endpoint.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        endpoint.labels = Arc::new(labels);
    }
    Some(Model::WorkloadEntry(Arc::new(WorkloadEntry { metadata: meta.metadata, endpoint })))
}
