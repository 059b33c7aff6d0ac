//! Labels.

use mesh_model::Labels;
use std::{collections::BTreeMap, sync::Arc};

/// Labels of an object, or a selector over them.
pub fn parse_labels(labels: &BTreeMap<String, String>) -> Labels {
    labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

/// The same, to be shared by everything that has them.
pub fn shared_labels(labels: &BTreeMap<String, String>) -> Arc<Labels> {
    Arc::new(parse_labels(labels))
}
