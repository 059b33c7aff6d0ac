//! `metadata` of any object, read with patience: what is missing or of a wrong type is reported and does not stop the rest.

use crate::{at::At, kinds::Row, values::parse_timestamp};
use mesh_model::{Labels, Metadata, ObjectRef, Reason, Source, Str};
use serde_json::{Map, Value};
use std::sync::Arc;

/// The parts of `metadata` that mean something to the mesh.
#[derive(Debug, Clone)]
pub struct Meta {
    /// The object's identity and age.
    pub metadata: Metadata,
    /// `metadata.generation`; 0 when there is none.
    pub generation: i64,
    /// `metadata.labels`.
    pub labels: Arc<Labels>,
    /// `metadata.annotations`.
    pub annotations: Labels,
    /// Where the object was read.
    pub source: Source,
}

/// The namespace of objects that name none, as `kubectl apply` does it, unless another one is asked for.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Which object of a kind `value` is, or `None` when it has no name. `usual`: the namespace of those that name none.
pub fn identity(row: &Row, usual: &str, value: &Value) -> Option<ObjectRef> {
    let metadata = value.get("metadata")?;
    let name = metadata.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())?;
    let namespace = match metadata.get("namespace").and_then(Value::as_str) {
        _ if !row.namespaced => "",
        None | Some("") => usual,
        Some(namespace) => namespace,
    };
    Some(ObjectRef::new(row.kind, namespace, name))
}

impl Meta {
    /// Reads the metadata of `object`.
    pub fn parse(object: ObjectRef, source: Source, value: &Value, at: &At<'_>) -> Self {
        let empty = Map::new();
        let metadata = value.get("metadata").and_then(Value::as_object).unwrap_or(&empty);
        let at = at.field("metadata");
        let created = metadata.get("creationTimestamp").and_then(Value::as_str).map(|text| {
            parse_timestamp(text).unwrap_or_else(|| {
                at.field("creationTimestamp").warning_hint(
                    Reason::InvalidValue,
                    format!("`{text}` is not a time"),
                    "leave it out: it is the API server that writes it",
                );
                0
            })
        });
        Self {
            metadata: Metadata { object, created: created.unwrap_or(0) },
            generation: metadata.get("generation").and_then(Value::as_i64).unwrap_or(0),
            labels: Arc::new(parse_strings(metadata.get("labels"), &at.field("labels"))),
            annotations: parse_strings(metadata.get("annotations"), &at.field("annotations")),
            source,
        }
    }

    /// The value of an annotation.
    pub fn annotation(&self, name: &str) -> Option<&Str> {
        self.annotations.get(name)
    }

    /// Whether the object was read from a file, where no cluster fills in what its author leaves out.
    pub fn is_from_file(&self) -> bool {
        matches!(self.source, Source::File { .. })
    }
}

/// A map of texts. YAML reads `version: 1` as a number; Kubernetes refuses that, so it is said here.
fn parse_strings(value: Option<&Value>, at: &At<'_>) -> Labels {
    let mut strings = Labels::new();
    match value {
        None | Some(Value::Null) => {}
        Some(Value::Object(entries)) => {
            for (key, value) in entries {
                match value {
                    Value::String(text) => {
                        strings.insert(key.as_str().into(), text.as_str().into());
                    }
                    other => at.field(key).error_hint(
                        Reason::InvalidType,
                        format!("{other} is not a text"),
                        format!("put it in quotes: {key}: \"{other}\""),
                    ),
                }
            }
        }
        Some(other) => at.error_hint(
            Reason::InvalidType,
            format!("expected texts by name, found {}", crate::decode::describe(other)),
            "write a map, as in `app: web`",
        ),
    }
    strings
}
