//! One untyped object to what is held of it.

use crate::{
    at::{Context, Shared},
    kinds::{Object, Row},
    meta::{Meta, identity},
};
use mesh_model::{Problem, Reason, Source};
use serde_json::Value;

/// Reads an object of a kind. Fails only when it has no name, so that there is nothing to hold it under.
pub fn parse_object(
    row: &Row,
    mut value: Value,
    source: Source,
    context: &Context,
) -> Result<Object, Problem> {
    let object = identity(row.kind, row.namespaced, &value).ok_or_else(|| {
        Problem::error(Reason::Required, "metadata.name", format!("this {} has no name", row.kind))
    })?;
    // Kept by the API server about who wrote what: often larger than the object.
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let shared = Shared::new(context, &object.name.namespace);
    let at = shared.root();
    let meta = Meta::parse(object.clone(), source.clone(), &value, &at);
    let generation = meta.generation;
    let model = row.parse(meta, value, &at);
    let (problems, references) = shared.finish();
    Ok(Object { object, source, generation, model, problems, references })
}
