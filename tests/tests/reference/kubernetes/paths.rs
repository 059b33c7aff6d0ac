//! The paths of what an object sets.
//!
//! In: a document of one of Kubernetes' own kinds. Out: paths as rows have them; what every object has, and what is called as its author likes,
//! is left out.

use super::rows::KINDS;
use mesh_api::Kind;
use serde_json::Value;

/// What every object has, and the other name of a Secret's data.
const USUAL: [&str; 7] =
    ["apiVersion", "kind", "metadata", "metadata.name", "metadata.namespace", "type", "stringData"];

/// The kind, and each path; nothing of Istio's kinds, whose schemas say what there is.
pub(super) fn of(document: &Value) -> Vec<(&'static str, String)> {
    let named = document["kind"].as_str().unwrap_or_default();
    let is_ours = Kind::ALL.into_iter().any(|kind| kind.name() == named);
    let Some((kind, ..)) = KINDS.iter().find(|(kind, ..)| *kind == named && !is_ours) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    walk(document, "", &mut found);
    found.into_iter().filter(|path| !USUAL.contains(&path.as_str())).map(|path| (*kind, path)).collect()
}

fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let below = match path.is_empty() {
                    true => name.clone(),
                    false if is_map(path) => format!("{path}[{name}]"),
                    false => format!("{path}.{name}"),
                };
                // Labels that nobody has given a meaning to are counted with the map.
                if is_map(path) && !name.contains('/') && path != "data" {
                    continue;
                }
                found.push(below.clone());
                walk(value, &below, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{path}[]"), found)),
        _ => {}
    }
}

/// What has keys instead of fields.
fn is_map(path: &str) -> bool {
    ["labels", "annotations", "selector", "matchLabels", "data", "stringData"]
        .iter()
        .any(|map| path == *map || path.ends_with(&format!(".{map}")))
}
