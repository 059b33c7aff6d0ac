//! WorkloadEntry.

use super::{
    Model, parse_locality_label,
    service_entry::{InlineEndpoint, parse_endpoint},
};
use crate::{at::At, decode::decode_spec, meta::Meta};
use mesh_api::WorkloadEntrySpec;
use mesh_model::{Health, Locality, Metadata};
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

/// Set by the agent that checks its workload's health.
const HEALTH_CHECKED: &str = "proxy.istio.io/health-checks-enabled";

/// What its status says, where health is checked. As in Istio it is not healthy before the first check has said so.
fn health(meta: &Meta, value: &Value) -> Health {
    if meta.annotation(HEALTH_CHECKED).is_none_or(|text| **text != *"true") {
        return Health::Healthy;
    }
    let conditions = value.pointer("/status/conditions").and_then(Value::as_array);
    let of_type = |condition: &&Value| condition.get("type").and_then(Value::as_str) == Some("Healthy");
    let condition = conditions.into_iter().flatten().find(of_type);
    match condition.and_then(|condition| condition.get("status")).and_then(Value::as_str) {
        Some("True") => Health::Healthy,
        _ => Health::Unhealthy,
    }
}

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let spec: WorkloadEntrySpec = decode_spec(value, at)?;
    let mut endpoint = parse_endpoint(spec, None, &at.field("spec"))?;
    endpoint.health = health(&meta, value);
    if !meta.labels.is_empty() {
        // Istio merges both; the spec's win.
        let mut labels = (*meta.labels).clone();
        labels.extend(endpoint.labels.iter().map(|(key, value)| (key.clone(), value.clone())));
        endpoint.labels = Arc::new(labels);
        if endpoint.locality == Locality::default() {
            endpoint.locality = parse_locality_label(&endpoint.labels).unwrap_or_default();
        }
    }
    Some(Model::WorkloadEntry(Arc::new(WorkloadEntry { metadata: meta.metadata, endpoint })))
}
