//! Which mesh settings there are.
//!
//! In: the types that they are read into, and the rows of those that have no effect. Out: a schema like that of a kind, to document
//! them, to read them and to tell misspelt ones, so that no list of names is kept beside the types.

use super::{later, networks::MeshNetworks, written::Settings};
use crate::{
    at::At,
    decode::decode,
    schema::{below, misfit},
};
use mesh_model::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::LazyLock;

static SCHEMA: LazyLock<Value> = LazyLock::new(mesh_api::schema_of::<Settings>);

static NETWORKS: LazyLock<Value> = LazyLock::new(mesh_api::schema_of::<MeshNetworks>);

/// The schema of all settings that are read.
pub fn mesh_settings_schema() -> &'static Value {
    &SCHEMA
}

/// The places of Istio's other settings: whoever sets them is told that they have no effect.
pub fn mesh_settings_without_effect() -> impl Iterator<Item = String> {
    let places = later::ROWS.iter().flat_map(|(place, rows)| rows.iter().map(move |row| (place, row.name)));
    places.map(|(place, name)| if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") })
}

/// The schema of `meshNetworks`.
pub(super) fn networks() -> &'static Value {
    &NETWORKS
}

/// The schema of a ProxyConfig, and its place among the settings.
pub(super) fn of_proxies() -> (&'static Value, &'static str) {
    (&SCHEMA["properties"]["defaultConfig"], "defaultConfig")
}

/// Reads a block that `schema` describes, and tells all that is wrong with its form: what is misspelt, and, where it cannot be read, each
/// value that does not fit.
pub(super) fn read<T: DeserializeOwned>(
    written: &Value,
    schema: &Value,
    place: &str,
    at: &At<'_>,
) -> Option<T> {
    later::report(written, schema, place, at);
    let read = decode(written, at);
    if read.is_none() {
        for error in mesh_api::check_types_in(schema, written) {
            let problem = misfit(error, true);
            at.report(Problem { path: below(&at.path(), &problem.path), ..problem });
        }
    }
    read
}
