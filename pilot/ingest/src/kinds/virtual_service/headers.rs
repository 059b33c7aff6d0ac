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
    let parse = |operations, side: Side| parse_operations(operations, side, &at.field(side.name()));
    RouteHeaders {
        request: request.map(|value| parse(value, Side::Request)).unwrap_or_default(),
        response: response.map(|value| parse(value, Side::Response)).unwrap_or_default(),
    }
}

/// Whose headers they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Response,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
        }
    }
}

/// Whether the header is the authority of a request.
pub fn is_authority(name: &str) -> bool {
    name == ":authority" || name == "host"
}

fn parse_operations(operations: api::HeaderOperations, side: Side, at: &At<'_>) -> HeaderOperations {
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
        set: parse_pairs(set, side, &at.field("set")),
        add: parse_pairs(add, side, &at.field("add")),
        remove: names,
    }
}

fn parse_pairs(pairs: BTreeMap<String, String>, side: Side, at: &At<'_>) -> Vec<(Str, Str)> {
    let mut parsed: Vec<_> = pairs
        .iter()
        .filter_map(|(name, value)| {
            let at = at.field(name);
            let name = parse_header_name(name, &at)?;
            // Envoy rejects all routes with one that tries.
            let is_internal = name.starts_with(':') || is_authority(&name);
            if is_internal && !(side == Side::Request && is_authority(&name)) {
                at.error_hint(
                    Reason::InvalidValue,
                    format!("`{name}` of a {} cannot be set; this is left out", side.name()),
                    match &*name {
                        ":path" => "write `rewrite.uri` for the path",
                        ":status" => "write `directResponse` to answer with a status",
                        _ => "leave it out",
                    },
                );
                return None;
            }
            Some((name, parse_header_format(value, &at)?))
        })
        .collect();
    parsed.sort();
    parsed
}
