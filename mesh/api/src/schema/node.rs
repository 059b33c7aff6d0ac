//! Reading one node of a structural schema.

use serde_json::Value;

use super::rules::{self, Rule};

/// A keyword that is a text; empty when it is missing.
pub fn text_of<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A keyword that is a size.
pub fn limit(schema: &Value, key: &str) -> Option<usize> {
    schema.get(key).and_then(Value::as_u64).and_then(|limit| usize::try_from(limit).ok())
}

/// The rules of the node.
pub fn rules(schema: &Value) -> impl Iterator<Item = &'static Rule> {
    let entries = schema.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
    entries.filter_map(|entry| rules::find(entry.get("rule")?.as_str()?))
}

/// Whether the node has a rule.
pub fn has_rule(schema: &Value, rule: Rule) -> bool {
    rules(schema).any(|known| known.cel == rule.cel)
}
