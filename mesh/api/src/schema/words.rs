//! How values and what is wanted in their place are put into words.
//!
//! In: schema nodes and values of any size. Out: short texts for people.

use serde_json::{Map, Value};

use super::node::has_rule;
use super::rules::values;

/// What a field takes, to follow the word "expected".
pub fn noun(schema: &Value, wanted: &str) -> String {
    match wanted {
        "object" => "an object",
        "array" => "a list",
        "string" if has_rule(schema, values::DURATION) => "a duration",
        "string" => "a string",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "a value",
    }
    .to_owned()
}

/// What to write instead, for the mistakes that YAML invites.
pub fn type_hint(schema: &Value, wanted: &str, value: &Value) -> String {
    match (wanted, value) {
        ("string", Value::Number(number)) if has_rule(schema, values::DURATION) => {
            format!("add the unit: {number}s or {number}ms")
        }
        ("string", Value::Number(_) | Value::Bool(_)) => format!("put it in quotes: \"{value}\""),
        ("integer" | "number", Value::String(text)) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
            format!("write it without quotes: {}", shorten(text))
        }
        ("boolean", Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
            format!("write it without quotes: {text}")
        }
        ("array", Value::Null) => "leave the item out".to_owned(),
        ("array", _) => "write a list: each item on a line of its own that starts with `- `".to_owned(),
        ("object", Value::Array(_)) => "write its fields without a leading `- `".to_owned(),
        ("object", _) => object_hint(schema),
        _ => String::new(),
    }
}

fn object_hint(schema: &Value) -> String {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return "write `name: value` pairs below it".to_owned();
    };
    format!("its fields are {}", field_names(properties))
}

/// The first few names of an object's fields.
pub fn field_names(object: &Map<String, Value>) -> String {
    let mut names: Vec<String> = object.keys().map(|name| shorten(name)).collect();
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.sort_unstable();
    let more = if names.len() > 6 { ", ..." } else { "" };
    names.truncate(6);
    format!("{}{more}", names.join(", "))
}

/// A value in a few words, whatever its size.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("{:?}", shorten(text)),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn shorten(text: &str) -> String {
    const MOST: usize = 60;
    match text.char_indices().nth(MOST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}
