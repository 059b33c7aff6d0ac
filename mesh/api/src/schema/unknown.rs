//! Fields of an object that its kind does not have.
//!
//! In: a kind and a whole object as JSON. Out: the path of each unknown field and what it may have meant.
//! Whether that is a warning or an error is not decided here.

use serde_json::{Map, Value};

use super::{nearest::nearest, schema_for};
use crate::kind::Kind;

/// A field that the kind does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Where it stands, such as `spec.http[0].rout`.
    pub path: String,
    /// Known fields of the same place with a similar name, nearest first.
    pub suggestions: Vec<String>,
}

/// After so many findings no more suggestions are made: they cost more than the walk, and nobody reads them.
const MOST_SUGGESTIONS: usize = 100;

/// The fields at the top of every object.
const ROOT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// The fields of every object's `metadata`.
const METADATA: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "generateName",
    "finalizers",
    "ownerReferences",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Every unknown field of an object, in the order of the object's fields. The status is not looked at. The
/// time it takes is proportional to the size of the object.
pub fn unknown_fields(kind: Kind, object: &Value) -> Vec<UnknownField> {
    let mut found = Vec::new();
    let Some(root) = object.as_object() else { return found };
    among(root, &ROOT, "", &mut found);
    if let Some(metadata) = root.get("metadata").and_then(Value::as_object) {
        among(metadata, &METADATA, "metadata", &mut found);
    }
    if let Some(spec) = root.get("spec") {
        walk(schema_for(kind), spec, &mut "spec".to_owned(), &mut found);
    }
    found
}

fn among(object: &Map<String, Value>, known: &[&str], path: &str, found: &mut Vec<UnknownField>) {
    for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
        report(super::field(path, name), name, known.iter().copied(), found);
    }
}

fn walk(schema: &Value, value: &Value, path: &mut String, found: &mut Vec<UnknownField>) {
    match value {
        Value::Object(object) => {
            if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
                for (name, inner) in object {
                    match properties.get(name) {
                        Some(schema) => {
                            super::inside_field(path, name, |path| walk(schema, inner, path, found))
                        }
                        None => {
                            report(
                                super::field(path, name),
                                name,
                                properties.keys().map(String::as_str),
                                found,
                            );
                        }
                    }
                }
            } else if let Some(schema) = schema.get("additionalProperties") {
                for (name, inner) in object {
                    super::inside_field(path, name, |path| walk(schema, inner, path, found));
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, inner) in items.iter().enumerate() {
                super::inside_item(path, index, |path| walk(schema, inner, path, found));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn report<'a>(path: String, name: &str, known: impl Iterator<Item = &'a str>, found: &mut Vec<UnknownField>) {
    let suggestions = if found.len() < MOST_SUGGESTIONS { nearest(name, known) } else { Vec::new() };
    found.push(UnknownField { path, suggestions });
}
