//! Objects as they are parsed.
//!
//! In: what the API server sent. Out: the same as one value, without what only the server needs.

use kube::api::DynamicObject;
use serde_json::Value;

/// `managedFields` is often the largest part of an object, and says nothing about it.
pub(super) fn value_of(object: DynamicObject) -> Value {
    let DynamicObject { types: _, mut metadata, data: mut value } = object;
    metadata.managed_fields = None;
    match (value.as_object_mut(), serde_json::to_value(metadata)) {
        (Some(fields), Ok(metadata)) => {
            fields.insert("metadata".to_owned(), metadata);
            value
        }
        // An object that is no map has no name either.
        _ => Value::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn managed_fields_are_dropped_and_nothing_else() {
        let metadata = json!({"name": "a", "namespace": "shop", "labels": {"app": "a"}, "generation": 2});
        let mut sent = json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}});
        let expected = json!({"metadata": metadata, "spec": sent["spec"]});
        sent["metadata"]["managedFields"] =
            json!([{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {"f:ports": {}}}}]);
        assert_eq!(value_of(serde_json::from_value(sent).unwrap()), expected);
    }
}
