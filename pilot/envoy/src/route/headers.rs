//! `headers`: what is added to and removed from requests and responses.

use crate::envoy::core::header_value_option::HeaderAppendAction;
use crate::envoy::core::{HeaderValue, HeaderValueOption};
use mesh_model::{HeaderOperations, RouteHeaders, Str};

/// Header operations in the four lists in which routes and weighted clusters have them.
#[derive(Debug, Default)]
pub(super) struct Mutations {
    /// A new `Host`: Envoy changes it as part of the action, not as a header.
    pub(super) authority: Option<String>,
    pub(super) request_add: Vec<HeaderValueOption>,
    pub(super) request_remove: Vec<String>,
    pub(super) response_add: Vec<HeaderValueOption>,
    pub(super) response_remove: Vec<String>,
}

impl Mutations {
    /// Adds the operations of a narrower level; they happen after those of `self`. The wider level's authority stays.
    pub(super) fn append(&mut self, narrower: Mutations) {
        let Mutations { authority, request_add, request_remove, response_add, response_remove } = narrower;
        self.authority = self.authority.take().or(authority);
        self.request_add.extend(request_add);
        self.request_remove.extend(request_remove);
        self.response_add.extend(response_add);
        self.response_remove.extend(response_remove);
    }
}

/// The operations of one level.
pub(super) fn build_headers(headers: &RouteHeaders) -> Mutations {
    let RouteHeaders { request, response } = headers;
    let authority = authority(&request.set).or_else(|| authority(&request.add));
    let (request_add, request_remove) = build_operations(request);
    let (response_add, response_remove) = build_operations(response);
    Mutations { authority, request_add, request_remove, response_add, response_remove }
}

fn build_operations(operations: &HeaderOperations) -> (Vec<HeaderValueOption>, Vec<String>) {
    let HeaderOperations { set, add, remove } = operations;
    let build = |headers: &[(Str, Str)], action: HeaderAppendAction| -> Vec<HeaderValueOption> {
        let headers = headers.iter().filter(|(name, _)| !is_internal(name));
        headers.map(|(name, value)| build_header(name, value, action)).collect()
    };
    let mut all = build(set, HeaderAppendAction::OverwriteIfExistsOrAdd);
    all.extend(build(add, HeaderAppendAction::AppendIfExistsOrAdd));
    let removed = remove.iter().filter(|name| !is_internal(name)).map(Str::to_string).collect();
    (all, removed)
}

fn build_header(name: &str, value: &str, action: HeaderAppendAction) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue { key: name.to_owned(), value: value.to_owned(), ..Default::default() }),
        append_action: action as i32,
        ..Default::default()
    }
}

/// Headers that Envoy does not let routes change; it rejects the whole route configuration that tries.
fn is_internal(name: &str) -> bool {
    name.starts_with(':') || name.eq_ignore_ascii_case("host")
}

fn authority(headers: &[(Str, Str)]) -> Option<String> {
    let is_authority =
        |name: &str| name.eq_ignore_ascii_case(":authority") || name.eq_ignore_ascii_case("host");
    let last = headers.iter().rfind(|(name, value)| is_authority(name) && !value.is_empty());
    last.map(|(_, value)| value.to_string())
}
