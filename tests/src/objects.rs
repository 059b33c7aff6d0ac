//! Objects of a case: which fields they set, and the same objects without one of them.
//!
//! In: YAML. Out: kinds and paths; items of lists are `[]` in a path, values of maps `{}`. Of Kubernetes' kinds a path begins at the
//! object, and a key of a map may be named: `metadata.labels[istio-locality]`. What fields mean is not known here.

use mesh_api::{Kind, schema_for};
use pilot_ingest::mesh_settings_schema;
use serde_json::Value;
use std::collections::BTreeSet;

/// Mesh settings are no kind: they are the text of a ConfigMap.
pub const MESH_CONFIG: &str = "MeshConfig";

/// A kind, and a path below its `spec`, or in the mesh settings.
pub type Place = (&'static str, String);

/// The documents of an input; `None` when one of them is not YAML, which some cases are about.
pub fn read(input: &str) -> Option<Vec<Value>> {
    let mut documents = vec![String::new()];
    for line in input.lines() {
        if line.trim_end() == "---" {
            documents.push(String::new());
        } else if let Some(last) = documents.last_mut() {
            last.push_str(line);
            last.push('\n');
        }
    }
    let has_content =
        |text: &&String| text.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    documents.iter().filter(has_content).map(|text| serde_saphyr::from_str(text).ok()).collect()
}

/// One text of all documents; JSON is YAML.
pub fn write(documents: &[Value]) -> String {
    documents.iter().map(|document| format!("---\n{document}\n")).collect()
}

/// The fields that the documents set.
pub fn used(documents: &[Value]) -> BTreeSet<Place> {
    let mut found = BTreeSet::new();
    for document in documents {
        if let Some(settings) = settings(document) {
            look(MESH_CONFIG, mesh_settings_schema(), &settings, "", &mut found);
        }
        if let Some(kind) = kind_of(document) {
            look(kind.name(), schema_for(kind), &document["spec"], "", &mut found);
        }
    }
    found
}

/// The documents without the field; all of its kind lose it everywhere.
pub fn without(documents: &[Value], kind: &str, path: &str) -> Vec<Value> {
    let mut documents = documents.to_vec();
    let steps = steps(path);
    // What is named so is a label, an annotation or a part of the status, which no `spec` has.
    let of_object = path.starts_with("metadata.") && path.ends_with(']') || path.starts_with("status.");
    for document in &mut documents {
        if kind == MESH_CONFIG {
            if let Some(mut inner) = settings(document) {
                remove(&mut inner, &steps);
                document["data"]["mesh"] = inner.to_string().into();
            }
        } else if kind_of(document).is_some_and(|of| of.name() == kind) && !of_object {
            remove(&mut document["spec"], &steps);
        } else if document["kind"] == kind {
            remove(document, &steps);
        }
    }
    documents
}

/// What is between dots, unless it is in brackets: names of labels have dots of their own.
fn steps(path: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    path.split(|letter| {
        match letter {
            '[' | '{' => depth += 1,
            ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == '.' && depth == 0
    })
    .collect()
}

fn kind_of(document: &Value) -> Option<Kind> {
    Kind::of(document["apiVersion"].as_str()?, document["kind"].as_str()?)
}

/// Mesh settings, when the document is the ConfigMap that has them.
fn settings(document: &Value) -> Option<Value> {
    let named = document["kind"] == "ConfigMap" && document["metadata"]["name"] == "istio";
    let text = document["data"]["mesh"].as_str().filter(|_| named)?;
    serde_saphyr::from_str(text).ok()
}

fn look(kind: &'static str, schema: &Value, value: &Value, path: &str, found: &mut BTreeSet<Place>) {
    for (name, value) in value.as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let Some(schema) = schema["properties"].get(name) else {
            // Of the mesh settings without effect the schema says nothing.
            if kind == MESH_CONFIG && !schema["properties"].is_null() {
                found.insert((kind, path));
            }
            continue;
        };
        found.insert((kind, path.clone()));
        match (schema.get("items"), schema.get("additionalProperties")) {
            (Some(items), _) => {
                for value in value.as_array().into_iter().flatten() {
                    look(kind, items, value, &format!("{path}[]"), found);
                }
            }
            (_, Some(values)) => {
                for value in value.as_object().into_iter().flat_map(|fields| fields.values()) {
                    look(kind, values, value, &format!("{path}{{}}"), found);
                }
            }
            _ => look(kind, schema, value, &path, found),
        }
    }
}

fn remove(value: &mut Value, steps: &[&str]) {
    let Some((step, rest)) = steps.split_first() else { return };
    let (name, mark) = step.split_at(step.find(['[', '{']).unwrap_or(step.len()));
    let Some(fields) = value.as_object_mut() else { return };
    let key = mark.strip_prefix('[').and_then(|mark| mark.strip_suffix(']')).unwrap_or_default();
    if !key.is_empty() {
        if let Some(Value::Object(values)) = fields.get_mut(name) {
            values.remove(key);
        }
        return;
    }
    if rest.is_empty() {
        fields.remove(name);
        return;
    }
    match (fields.get_mut(name), mark) {
        (Some(Value::Array(items)), "[]") => items.iter_mut().for_each(|item| remove(item, rest)),
        (Some(Value::Object(values)), "{}") => values.values_mut().for_each(|value| remove(value, rest)),
        (Some(value), _) => remove(value, rest),
        (None, _) => {}
    }
}
