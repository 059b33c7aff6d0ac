//! JSON -> typed object, one object at a time.
//!
//! In: an object as it comes from an API server or a file. Out: the typed object, or an error that says
//! where it does not fit. Unknown fields are let through, as serde does; [`unknown_fields`](crate::unknown_fields)
//! finds them.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::schema::as_stored;

/// Why an object cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct DecodeError {
    /// Where it does not fit, such as `spec.http[0].timeout`; `.` for the object as a whole.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

/// Reads an object of this API. As at an API server, fields that are null count as missing, `80.0` is 80, and
/// the whole spec may be missing where none of its fields is required.
pub fn decode<K: DeserializeOwned>(mut object: Value) -> Result<K, DecodeError> {
    as_stored(&mut object);
    if let Some(root) = object.as_object_mut() {
        root.entry("spec").or_insert_with(|| Value::Object(Map::new()));
    }
    serde_path_to_error::deserialize(object).map_err(|error| DecodeError {
        path: error.path().to_string(),
        reason: error.into_inner().to_string(),
    })
}
