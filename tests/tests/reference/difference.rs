//! Where two sets of resources differ, in Envoy's own words.
//!
//! In: what a proxy is told with and without a field. Out: paths such as `Cluster.circuit_breakers.thresholds[].max_connections`.

use mesh_tests::{Told, render};
use pilot_xds::resource::{Resource, ResourceType};
use serde_json::Value;
use std::collections::BTreeSet;

/// What differs.
pub fn between(with: &Told, without: &Told) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (key, resource) in &with.resources {
        match without.resources.get(key) {
            None => drop(found.insert(which(key.0))),
            Some(other) if other.version() == resource.version() => {}
            Some(other) => compare(&gist(resource), &gist(other), type_name(key.0).to_owned(), &mut found),
        }
    }
    for (kind, _) in without.resources.keys().filter(|key| !with.resources.contains_key(*key)) {
        found.insert(which(*kind));
    }
    found
}

fn gist(resource: &Resource) -> Value {
    render::gist(resource).expect("JSON of a resource")
}

fn which(kind: ResourceType) -> String {
    format!("which {}s there are", type_name(kind))
}

fn type_name(kind: ResourceType) -> &'static str {
    match kind {
        ResourceType::Cluster => "Cluster",
        ResourceType::Endpoints => "ClusterLoadAssignment",
        ResourceType::Listener => "Listener",
        ResourceType::Route | ResourceType::InlineRoute => "RouteConfiguration",
        ResourceType::VirtualHost => "VirtualHost",
        ResourceType::NameTable => "NameTable",
        ResourceType::Secret => "Secret",
    }
}

fn compare(left: &Value, right: &Value, path: String, found: &mut BTreeSet<String>) {
    match (left, right) {
        (left, right) if left == right => {}
        (Value::Object(ours), Value::Object(theirs)) => {
            let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            for name in names {
                let path = below(&path, name);
                match (ours.get(name), theirs.get(name)) {
                    (Some(ours), Some(theirs)) => compare(ours, theirs, path, found),
                    // What nearly all have and this has not is null in a gist, and not there in theirs.
                    (Some(Value::Null), None) | (None, Some(Value::Null)) => drop(found.insert(path)),
                    (Some(only), None) | (None, Some(only)) => compare(only, &Value::Null, path, found),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (ours, theirs) in ours.iter().zip(theirs) {
                compare(ours, theirs, format!("{path}[]"), found);
            }
        }
        // Something is there on one side only: as far down as there is one way.
        (Value::Null, only) | (only, Value::Null) => drop(found.insert(down(only, path))),
        _ => drop(found.insert(path)),
    }
}

/// Messages that are embedded are called by their type, wherever they are.
fn below(path: &str, name: &str) -> String {
    match name.starts_with(|first: char| first.is_ascii_uppercase()) {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    }
}

fn down(value: &Value, path: String) -> String {
    match value {
        Value::Object(fields) if fields.len() == 1 => match fields.iter().next() {
            Some((name, value)) => down(value, below(&path, name)),
            None => path,
        },
        Value::Array(items) if items.len() == 1 => match items.first() {
            Some(item @ Value::Object(_)) => down(item, format!("{path}[]")),
            _ => path,
        },
        _ => path,
    }
}
