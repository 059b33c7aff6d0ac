//! Pieces of OpenAPI schema that types attach to themselves: CEL rules and `oneOf`.
//!
//! In: field names and CEL text. Out: JSON in the exact form Istio's CRDs use, so that what an API server
//! accepts with their CRDs it accepts with ours. Knows no kind.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// The rule on most durations.
pub const DURATION_RULE: &str = "duration(self) >= duration('1ms')";

/// The rule on a port number that must exist on the wire.
pub const PORT_RULE: &str = "0 < self && self <= 65535";

/// `x-kubernetes-validations` from pairs of CEL rule and message.
pub fn cel(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(rule, message)| json!({ "message": message, "rule": rule })).collect()
}

/// `oneOf` that lets at most one of the fields be set (none is fine, as in a proto oneof).
pub fn at_most_one_of(fields: &[&str]) -> Value {
    let branches: Vec<Value> = fields.iter().map(|field| json!({ "required": [field] })).collect();
    let mut all = vec![json!({ "not": { "anyOf": branches } })];
    all.extend(branches);
    Value::Array(all)
}

/// [`PORT_RULE`] as `x-kubernetes-validations`.
pub fn port() -> Value {
    cel(&[(PORT_RULE, "port must be between 1-65535")])
}

/// [`DURATION_RULE`] as `x-kubernetes-validations`.
pub fn duration() -> Value {
    cel(&[(DURATION_RULE, "must be a valid duration greater than 1ms")])
}

/// Adds keywords to the schema of a list's items or of a map's values.
pub fn each(keywords: Value) -> impl FnMut(&mut Schema) {
    move |schema| {
        let Some(object) = schema.as_object_mut() else { return };
        let inner = if object.contains_key("items") { "items" } else { "additionalProperties" };
        if let (Some(Value::Object(target)), Value::Object(extra)) = (object.get_mut(inner), &keywords) {
            target.extend(extra.clone());
        }
    }
}

/// Keywords of [`each`] for the labels of a selector: no wildcards, and no longer than a label may be.
pub fn selector_value(message: &str) -> Value {
    let mut keywords = Map::new();
    keywords.insert("maxLength".to_owned(), json!(63));
    keywords.insert("x-kubernetes-validations".to_owned(), cel(&[("!self.contains(\"*\")", message)]));
    Value::Object(keywords)
}
