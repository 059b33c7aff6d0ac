//! `headers` of a route or a destination.

use crate::{
    at::At,
    values::{parse_header_format, parse_header_name},
};
use mesh_api::networking::virtual_service::headers as api;
use mesh_model::{HeaderOperations, Reason, RouteHeaders, Str};
use std::collections::BTreeMap;

/// Reads the block; an operation that cannot be used is left out.
pub fn parse_headers(headers: api::Headers, at: &At<'_>) -> RouteHeaders {
    let api::Headers { request, response } = headers;
    RouteHeaders {
        request: request.map(|value| parse_operations(value, &at.field("request"))).unwrap_or_default(),
        response: response.map(|value| parse_operations(value, &at.field("response"))).unwrap_or_default(),
    }
}

fn parse_operations(operations: api::HeaderOperations, at: &At<'_>) -> HeaderOperations {
    let api::HeaderOperations { set, add, remove } = operations;
    let at_remove = at.field("remove");
    let mut names: Vec<Str> = remove
        .iter()
        .enumerate()
        .filter_map(|(index, name)| {
            let at = at_remove.index(index);
            let name = parse_header_name(name, &at)?;
            // Envoy rejects the removal of what a request cannot be without.
            if name.starts_with(':') || &*name == "host" {
                at.error_hint(
                    Reason::InvalidValue,
                    format!("`{name}` cannot be removed"),
                    "set it to something else with `set`, or `rewrite.authority` for the host",
                );
                return None;
            }
            Some(name)
        })
        .collect();
    names.sort();
    names.dedup();
    HeaderOperations {
        set: parse_pairs(set, &at.field("set")),
        add: parse_pairs(add, &at.field("add")),
        remove: names,
    }
}

fn parse_pairs(pairs: BTreeMap<String, String>, at: &At<'_>) -> Vec<(Str, Str)> {
    let mut parsed: Vec<_> = pairs
        .iter()
        .filter_map(|(name, value)| {
            let at = at.field(name);
            Some((parse_header_name(name, &at)?, parse_header_format(value, &at)?))
        })
        .collect();
    parsed.sort();
    parsed
}
