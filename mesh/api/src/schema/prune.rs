//! Nulls in objects.

use serde_json::Value;

/// Takes away every field that is null, as an API server does before it validates an object. Nulls in lists
/// stay, and are wrong there.
pub fn prune_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, inner| !inner.is_null());
            object.values_mut().for_each(prune_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(prune_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
