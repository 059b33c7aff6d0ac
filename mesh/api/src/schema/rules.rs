//! Pieces of OpenAPI schema that types attach to themselves: CEL rules and `oneOf`.
//!
//! In: field names and rules. Out: JSON in the exact form Istio's CRDs use, so that what an API server
//! accepts with their CRDs it accepts with ours. Each rule is said twice, in CEL for the API server and in
//! Rust for files, where no API server looks; both stand side by side below.

pub mod peer_authentication;
pub mod server_tls;
pub mod service_entry;
pub mod values;
pub mod workload_entry;

use schemars::Schema;
use serde_json::{Map, Value, json};

/// A rule on a value that its type alone does not express.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The rule for an API server.
    pub cel: &'static str,
    /// What the API server says when it does not hold.
    pub message: &'static str,
    /// What is wanted, to follow the word "expected".
    pub expected: &'static str,
    /// The same rule in Rust. True for values of another type: that is a mistake of another kind.
    pub holds: fn(&Value) -> bool,
}

/// All rules there are; a test proves that the schemas have no other.
const ALL: [&[Rule]; 5] =
    [&values::ALL, &workload_entry::ALL, &service_entry::ALL, &server_tls::ALL, &peer_authentication::ALL];

/// The rule with this CEL text.
pub fn find(cel: &str) -> Option<&'static Rule> {
    ALL.into_iter().flatten().find(|rule| rule.cel == cel)
}

/// `x-kubernetes-validations` of some rules.
pub fn cel(rules: &[Rule]) -> Value {
    rules.iter().map(|rule| json!({ "message": rule.message, "rule": rule.cel })).collect()
}

/// `oneOf` that lets at most one of the fields be set (none is fine, as in a proto oneof).
pub fn at_most_one_of(fields: &[&str]) -> Value {
    let branches: Vec<Value> = fields.iter().map(|field| json!({ "required": [field] })).collect();
    let mut all = vec![json!({ "not": { "anyOf": branches } })];
    all.extend(branches);
    Value::Array(all)
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
pub fn selector_value(no_wildcard: Rule) -> Value {
    let mut keywords = Map::new();
    keywords.insert("maxLength".to_owned(), json!(63));
    keywords.insert("x-kubernetes-validations".to_owned(), cel(&[no_wildcard]));
    Value::Object(keywords)
}

/// CEL's `has(self.FIELD)`.
fn has(value: &Value, field: &str) -> bool {
    value.get(field).is_some_and(|inner| !inner.is_null())
}

/// A field's text, empty when it has none.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// A field's items, none when it has none.
fn items<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The names in a map. Those whose value is null are not there for an API server.
fn keys(value: &Value) -> impl Iterator<Item = &str> {
    value.as_object().into_iter().flatten().filter(|(_, inner)| !inner.is_null()).map(|(key, _)| key.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::schema::schema_for;

    fn texts(schema: &Value, found: &mut Vec<String>) {
        match schema {
            Value::Object(object) => {
                for (name, inner) in object {
                    if name == "pattern" {
                        assert_eq!(inner, values::HEADER_NAME, "no Rust for a pattern");
                    }
                    if name == "x-kubernetes-validations" {
                        found.extend(items(schema, name).iter().map(|rule| text(rule, "rule").to_owned()));
                    }
                    texts(inner, found);
                }
            }
            Value::Array(all) => all.iter().for_each(|inner| texts(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_rule_in_a_schema_is_said_in_rust_too() {
        let mut used = Vec::new();
        Kind::ALL.into_iter().for_each(|kind| texts(schema_for(kind), &mut used));
        for cel in &used {
            assert!(find(cel).is_some(), "no Rust for {cel}");
        }
        for rule in ALL.into_iter().flatten() {
            assert!(used.iter().any(|cel| cel == rule.cel), "nothing uses {}", rule.cel);
        }
    }

    #[test]
    fn a_rule_holds_for_values_of_another_type() {
        for rule in ALL.into_iter().flatten() {
            for value in [json!(null), json!([]), json!(true)] {
                let of_objects = rule.cel == workload_entry::ADDRESS_REQUIRED.cel;
                assert!((rule.holds)(&value) || of_objects, "{} on {value}", rule.cel);
            }
        }
    }
}
