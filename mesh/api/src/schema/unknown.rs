//! Fields of an object that its kind does not have.
//!
//! In: a kind, or a schema, and a whole object as JSON. Out: the path of each unknown field and what it may have meant.
//! Whether that is a warning or an error is not decided here.

use std::fmt;

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::path::{field, push_field, push_item};
use super::schema_for;
use crate::kind::Kind;

/// A field that the kind does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownField {
    /// Where it stands, such as `spec.http[0].rout`.
    pub path: String,
    /// Known fields of the same place with a similar name, nearest first.
    pub suggestions: Vec<String>,
    /// Where the kind does have a field of this name, when there is no similar one in the same place; such as
    /// `spec.http[].timeout`.
    pub elsewhere: Vec<String>,
}

impl fmt::Display for UnknownField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, suggestions, elsewhere } = self;
        write!(f, "{path}: unknown field")?;
        if !suggestions.is_empty() {
            write!(f, "; did you mean {}?", suggestions.join(" or "))
        } else if !elsewhere.is_empty() {
            write!(f, "; it belongs to {}", elsewhere.join(" or "))
        } else {
            Ok(())
        }
    }
}

/// After so many findings no more suggestions are made: they cost more than the walk, and nobody reads them.
const MOST_SUGGESTIONS: usize = 100;

/// Places of a name that are worth naming.
const MOST_PLACES: usize = 3;

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
    let mut search = Search::below("spec", schema_for(kind));
    let Some(root) = object.as_object() else { return search.found };
    search.fixed(root, &ROOT);
    if let Some(metadata) = root.get("metadata").and_then(Value::as_object) {
        push_field(&mut search.path, "metadata");
        search.fixed(metadata, &METADATA);
        search.path.clear();
    }
    if let Some(spec) = root.get("spec") {
        push_field(&mut search.path, "spec");
        search.value(search.schema, spec);
    }
    search.found
}

/// The same of a value of which `schema` says everything, such as an object of one of Kubernetes' own kinds.
pub fn unknown_fields_in(schema: &'static Value, value: &Value) -> Vec<UnknownField> {
    let mut search = Search::below("", schema);
    search.value(schema, value);
    search.found
}

struct Search {
    /// Of the whole, to find where a misplaced field belongs.
    schema: &'static Value,
    /// Where the whole stands.
    root: &'static str,
    path: String,
    found: Vec<UnknownField>,
}

impl Search {
    fn below(root: &'static str, schema: &'static Value) -> Self {
        Self { schema, root, path: String::new(), found: Vec::new() }
    }

    fn fixed(&mut self, object: &Map<String, Value>, known: &[&str]) {
        for name in object.keys().filter(|name| !known.contains(&name.as_str())) {
            self.report(name, known.iter().copied());
        }
    }

    fn value(&mut self, schema: &Value, value: &Value) {
        let before = self.path.len();
        match value {
            Value::Object(object) => {
                let properties = schema.get("properties").and_then(Value::as_object);
                for (name, inner) in object {
                    let known = match properties {
                        Some(properties) => properties.get(name),
                        None => schema.get("additionalProperties"),
                    };
                    match (known, properties) {
                        (Some(schema), _) => {
                            push_field(&mut self.path, name);
                            self.value(schema, inner);
                            self.path.truncate(before);
                        }
                        (None, Some(properties)) => self.report(name, properties.keys().map(String::as_str)),
                        // The value is of the wrong type: nothing is known about its fields.
                        (None, None) => {}
                    }
                }
            }
            Value::Array(items) => {
                let Some(schema) = schema.get("items") else { return };
                for (index, inner) in items.iter().enumerate() {
                    push_item(&mut self.path, index);
                    self.value(schema, inner);
                    self.path.truncate(before);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn report<'a>(&mut self, name: &str, known: impl Iterator<Item = &'a str>) {
        let (mut suggestions, mut elsewhere) = (Vec::new(), Vec::new());
        if self.found.len() < MOST_SUGGESTIONS {
            suggestions = nearest(name, known);
            if suggestions.is_empty() {
                places(self.schema, name, self.root, &mut elsewhere);
            }
        }
        self.found.push(UnknownField { path: field(&self.path, name), suggestions, elsewhere });
    }
}

/// The places of the schema that have a field of this name, the shallow ones first.
fn places(schema: &Value, name: &str, path: &str, found: &mut Vec<String>) {
    let mut level = vec![(path.to_owned(), schema)];
    while !level.is_empty() && found.len() < MOST_PLACES {
        let mut below = Vec::new();
        for (path, schema) in level {
            for (own, inner) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                let inner_path = field(&path, own);
                if own == name && found.len() < MOST_PLACES {
                    found.push(inner_path.clone());
                }
                below.push((inner_path, inner));
            }
            if let Some(inner) = schema.get("items") {
                below.push((format!("{path}[]"), inner));
            }
            if let Some(inner) = schema.get("additionalProperties") {
                below.push((field(&path, "*"), inner));
            }
        }
        level = below;
    }
}
