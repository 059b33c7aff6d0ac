//! Whether a route's conditions hold for a request, as Envoy evaluates them, and in words which do not.

use super::Request;
use crate::spec::RouteMatchSpec;
use mesh_model::{HeaderMatch, PathMatch, Str, StringMatch};
use mesh_re2::Re2;

/// Every condition of `matches` that `request` does not meet; none: the route takes it.
pub fn unmet(matches: &RouteMatchSpec, request: &Request) -> Vec<String> {
    let RouteMatchSpec { path, ignore_case, headers, claims, query } = matches;
    let mut unmet = Vec::new();
    if let Some(wanted) = path {
        let found = request.path_alone();
        if !path_matches(wanted, *ignore_case, found) {
            let case = if *ignore_case { ", whatever the case" } else { "" };
            unmet.push(format!("path {found} {}{case}", path_not(wanted)));
        }
    }
    unmet.extend(headers.iter().filter_map(|header| header_unmet(header, request)));
    // Nothing reads tokens.
    unmet.extend(claims.iter().map(|claim| format!("claim {} is missing", claim.path.join("."))));
    unmet.extend(query.iter().filter_map(|(name, value)| query_unmet(name, value, request)));
    unmet
}

fn path_matches(wanted: &PathMatch, ignore_case: bool, found: &str) -> bool {
    let starts = |prefix: &str| {
        found.get(..prefix.len()).is_some_and(|start| match ignore_case {
            true => start.eq_ignore_ascii_case(prefix),
            false => start == prefix,
        })
    };
    match wanted {
        PathMatch::Exact(path) => path.len() == found.len() && starts(path),
        PathMatch::Prefix(prefix) => starts(prefix),
        // The case of an expression is its own business.
        PathMatch::Regex(pattern) => regex_matches(pattern, found),
    }
}

fn path_not(wanted: &PathMatch) -> String {
    match wanted {
        PathMatch::Exact(path) => format!("is not {path}"),
        PathMatch::Prefix(prefix) => format!("does not begin with {prefix}"),
        PathMatch::Regex(pattern) => format!("does not match {pattern}"),
    }
}

fn header_unmet(header: &HeaderMatch, request: &Request) -> Option<String> {
    let HeaderMatch { name, value, invert } = header;
    let found = request.header(name);
    let holds = match (found.is_empty(), any(value)) {
        (missing, true) => !missing,
        // Of several values one is enough.
        (false, false) => found.iter().any(|found| text_matches(value, found)),
        // Inverted, a missing header counts as an empty one.
        (true, false) => *invert && text_matches(value, ""),
    };
    if holds != *invert {
        return None;
    }
    let shown = match found.is_empty() {
        true => "is missing".to_owned(),
        false => format!("is `{}`", found.join("`, `")),
    };
    Some(match (invert, any(value)) {
        (false, true) => format!("header {name} is missing"),
        (true, true) => format!("header {name} is there"),
        (false, false) => format!("header {name} {shown}, not {}", text_wanted(value)),
        (true, false) => format!("header {name} {shown}, and must not be {}", text_wanted(value)),
    })
}

fn query_unmet(name: &Str, value: &StringMatch, request: &Request) -> Option<String> {
    let mut parameters = request.query().unwrap_or_default().split('&');
    let found = parameters.find_map(|parameter| {
        let (known, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        (known == &**name && !parameter.is_empty()).then_some(value)
    });
    match found {
        None => Some(format!("query parameter {name} is missing")),
        Some(found) if any(value) || text_matches(value, found) => None,
        Some(found) => Some(format!("query parameter {name} is `{found}`, not {}", text_wanted(value))),
    }
}

/// Whether it is enough to be there.
fn any(value: &StringMatch) -> bool {
    match value {
        StringMatch::Present => true,
        StringMatch::Prefix(prefix) => prefix.is_empty(),
        StringMatch::Exact(_) | StringMatch::Regex(_) => false,
    }
}

pub(super) fn text_matches(wanted: &StringMatch, found: &str) -> bool {
    match wanted {
        StringMatch::Exact(text) => **text == *found,
        StringMatch::Prefix(prefix) => found.starts_with(&**prefix),
        StringMatch::Regex(pattern) => regex_matches(pattern, found),
        StringMatch::Present => true,
    }
}

fn text_wanted(value: &StringMatch) -> String {
    match value {
        StringMatch::Exact(text) => format!("`{text}`"),
        StringMatch::Prefix(prefix) => format!("`{prefix}…`"),
        StringMatch::Regex(pattern) => format!("one that matches {pattern}"),
        StringMatch::Present => "anything".to_owned(),
    }
}

/// The whole of `found`; ingest has compiled every pattern once, so one that does not compile here matches nothing.
fn regex_matches(pattern: &str, found: &str) -> bool {
    Re2::new(pattern).is_ok_and(|pattern| pattern.matches_whole(found))
}
