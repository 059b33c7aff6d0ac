//! The guard between untyped JSON and typed specs.
//!
//! In: one object's JSON. Out: the type, or a problem that says where and what. Nothing a user writes can stop more than the
//! object it is written in.

use crate::at::At;
use mesh_model::{Problem, Reason};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Decodes an object's `spec`.
pub fn decode_spec<T: DeserializeOwned>(value: &Value, at: &At<'_>) -> Option<T> {
    let at = at.field("spec");
    match value.get("spec") {
        Some(spec) => decode(spec, &at),
        None => {
            at.undecodable(Problem::error(Reason::Required, at.path(), "there is no `spec`"));
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
        return Problem::error(Reason::Required, path, format!("the field {rest} is missing"));
    }
    if let Some(rest) = message.strip_prefix("invalid type: ")
        && let Some((found, expected)) = rest.split_once(", expected ")
    {
        return Problem::error(Reason::InvalidType, path, format!("expected {expected}, found {found}"));
    }
    Problem::error(Reason::InvalidType, path, message)
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
