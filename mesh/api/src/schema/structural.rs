//! Rust type -> structural schema.
//!
//! In: what schemars says about a type. Out: what an API server takes: every node has one `type`, nothing is
//! referenced, nothing is null. Nulls need no word in the schema: the API server drops them from objects
//! before it looks ([`as_stored`](super::as_stored) does the same here).

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// The structural schema of a type.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(root) = schema.as_object_mut() {
        root.remove("title");
    }
    rewrite(&mut schema);
    schema
}

fn rewrite(schema: &mut Value) {
    let Some(node) = schema.as_object_mut() else { return };
    unwrap_option(node);
    merge_enum_variants(node);
    plain_numbers(node);
    // A default in a CRD would be written into users' objects.
    node.remove("default");
    if let Some(Value::Object(properties)) = node.get_mut("properties") {
        properties.values_mut().for_each(rewrite);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = node.get_mut(inner) {
            rewrite(inner);
        }
    }
}

/// `Option<T>` is `T` or null for schemars; here it is `T` that may be missing.
fn unwrap_option(node: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = node.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            node.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(values)) = node.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    let Some(Value::Array(branches)) = node.get("anyOf") else { return };
    let [Value::Object(some), none] = branches.as_slice() else { return };
    if none != &json!({ "type": "null" }) {
        return;
    }
    let some = some.clone();
    node.remove("anyOf");
    for (key, value) in some {
        // What stands at the field, such as its documentation, goes over what stands at the type.
        node.entry(key).or_insert(value);
    }
    unwrap_option(node);
}

/// An enum with documented variants is a choice of constants for schemars; here it is one list of names, and
/// the documentation goes into the description.
fn merge_enum_variants(node: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = node.get("oneOf") else { return };
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for variant in variants {
        match (variant.get("const"), variant.get("enum").and_then(Value::as_array)) {
            (Some(Value::String(name)), _) => {
                names.push(name.clone());
                if let Some(text) = variant.get("description").and_then(Value::as_str) {
                    lines.push(format!("{name}: {text}"));
                }
            }
            (_, Some(plain)) => names.extend(plain.iter().filter_map(Value::as_str).map(str::to_owned)),
            _ => return,
        }
    }
    node.remove("oneOf");
    node.insert("type".to_owned(), json!("string"));
    node.insert("enum".to_owned(), json!(names));
    if !lines.is_empty() {
        let field = node.get("description").and_then(Value::as_str).unwrap_or_default();
        let description = format!("{field}\n\n{}", lines.join("\n"));
        node.insert("description".to_owned(), json!(description.trim()));
    }
}

/// Kubernetes knows no unsigned formats; bounds say the same.
fn plain_numbers(node: &mut Map<String, Value>) {
    let bounds = match node.get("format").and_then(Value::as_str) {
        Some("uint32") => (0, Some(u32::MAX)),
        Some("uint64") => (0, None),
        _ => return,
    };
    node.remove("format");
    node.entry("minimum").or_insert(json!(bounds.0));
    if let Some(max) = bounds.1 {
        node.entry("maximum").or_insert(json!(max));
    }
}
