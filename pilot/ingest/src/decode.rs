//! The guard between untyped JSON and typed specs.
//!
//! In: one object's JSON. Out: the type, or a problem that says where and what. Nothing a user writes can stop more than the
//! object it is written in.

use crate::{at::At, instead::instead};
use mesh_model::{Problem, Reason};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes an object's `spec`.
pub fn decode_spec<T: DeserializeOwned>(value: &Value, at: &At<'_>) -> Option<T> {
    let at = at.field("spec");
    match value.get("spec") {
        Some(spec) => decode(spec, &at),
        None => {
            let problem = Problem::error(Reason::Required, at.path(), "there is no `spec`");
            at.undecodable(problem.hint("write what the object is to say under `spec`"));
            None
        }
    }
}

/// Decodes what is at this place.
pub fn decode<T: DeserializeOwned>(value: &Value, at: &At<'_>) -> Option<T> {
    match serde_path_to_error::deserialize(value) {
        Ok(decoded) => Some(decoded),
        Err(error) => {
            let mut path = at.path();
            let below = error.path().to_string();
            if below != "." {
                if !path.is_empty() && !below.starts_with('[') {
                    path.push('.');
                }
                path.push_str(&below);
            }
            at.undecodable(explain(path, &error.into_inner().to_string()));
            None
        }
    }
}

/// Turns serde's words into ours.
fn explain(path: String, message: &str) -> Problem {
    if let Some(rest) = message.strip_prefix("unknown variant ")
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        let allowed = expected.trim_start_matches("one of ").replace('`', "");
        let problem =
            Problem::error(Reason::InvalidType, path, format!("{found} is not a value of this field"));
        return problem.hint(format!("write {}", allowed.replace(", ", " or ")));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        let name = rest.trim_matches('`');
        let problem = Problem::error(Reason::Required, path, format!("the field {rest} is missing"));
        return problem.hint(format!("write `{name}: ..` here"));
    }
    let misfit = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((found, expected)) = misfit.and_then(|rest| rest.rsplit_once(", expected ")) {
        let (expected, found) = (in_words(expected), as_written(found));
        let message = format!("expected {expected}, found {found}");
        return Problem::error(Reason::InvalidType, path, message).hint(instead(expected, found));
    }
    // Some say themselves what to write.
    let (message, hint) =
        message.split_once("; ").unwrap_or((message, "write what the field takes, or leave it out"));
    Problem::error(Reason::InvalidType, path, message).hint(hint)
}

/// What a Rust type is called where nobody knows Rust.
fn in_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" | "u64" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "f32" | "f64" => "a number",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        _ if expected.starts_with("struct ") => "a map",
        other => other,
    }
}

/// A value as it stands in the document.
fn as_written(found: &str) -> &str {
    match found {
        "null" | "unit value" => return "nothing",
        "sequence" => return "a list",
        "map" => return "a map",
        _ => {}
    }
    match found.split_once(' ') {
        Some(("string", text)) => text,
        Some(("integer" | "boolean", value)) => value.trim_matches('`'),
        _ => found.strip_prefix("floating point ").map_or(found, |value| value.trim_matches('`')),
    }
}

/// What kind of value this is, for messages.
pub fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
