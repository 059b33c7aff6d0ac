//! Which mesh settings there are.
//!
//! In: the types that they are read into, and the rows of those that have no effect. Out: a schema like that of a kind, to document
//! them and to tell misspelt ones, so that no list of names is kept beside the types.

use super::{later, written::Settings};
use serde_json::Value;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(mesh_api::schema_of::<Settings>);

/// The schema of all settings that are read.
pub fn mesh_settings_schema() -> &'static Value {
    &SCHEMA
}

/// The places of Istio's other settings: whoever sets them is told that they have no effect.
pub fn mesh_settings_without_effect() -> impl Iterator<Item = String> {
    let places = later::ROWS.iter().flat_map(|(place, rows)| rows.iter().map(move |row| (place, row.name)));
    places.map(|(place, name)| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") })
}

/// The names of the settings that are read at a place; items of lists are `[]` there, values of maps `{}`.
pub(super) fn fields(place: &str) -> impl Iterator<Item = &'static str> {
    let steps = place.split('.').filter(|step| !step.is_empty());
    let block = steps.fold(&*SCHEMA, |schema, step| {
        let field = &schema["properties"][step.trim_end_matches(['[', ']', '{', '}'])];
        field.get("items").or(field.get("additionalProperties")).unwrap_or(field)
    });
    block["properties"].as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str))
}
