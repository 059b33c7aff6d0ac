//! Routes and matches that never get a request, because those before them take all that they ask for.
//!
//! In: routes as they were read. Out: problems. Says only what is certain: of two regular expressions nothing but equality is known.

use super::parts::RouteParts;
use crate::at::At;
use mesh_model::{
    ClaimMatch, HeaderMatch, HttpMatch, Labels, PathMatch, Problem, Reason, Severity, Str, StringMatch,
};

/// Matches that later ones are compared with. Nobody reviews more, and an object may have a hundred thousand.
pub(super) const COMPARED: usize = 500;

/// Looks at each match of each route.
pub fn check_reach(routes: &[RouteParts], at_http: &At<'_>) {
    // A route that hands over may be left with less than it asks for, so it takes nothing for certain.
    let mut before: Vec<(usize, &HttpMatch)> = Vec::new();
    for route in routes {
        let at = at_http.index(route.index);
        let at_match = at.field("match");
        for wanted in &route.matches {
            check_satisfiable(wanted, &at_match.index(wanted.index));
        }
        let taken: Vec<(&HttpMatch, Option<usize>)> =
            route.matches.iter().map(|wanted| (wanted, taken_by(wanted, &before))).collect();
        let first = taken.iter().find_map(|(_, by)| *by);
        let all = taken.iter().all(|(_, by)| by.is_some());
        if let (Some(first), true) = (first, all) {
            at.warning_hint(
                Reason::Unreachable,
                format!("http[{first}] takes all requests that match this, so none gets here"),
                "move it up, or make its match narrower",
            );
        } else {
            for (wanted, by) in &taken {
                let Some(by) = by else { continue };
                let message = format!("http[{by}] takes all requests that match this");
                ineffective(&at_match.index(wanted.index), message);
            }
            for (position, wanted) in route.matches.iter().enumerate() {
                let same =
                    route.matches.iter().take(position.min(COMPARED)).find(|other| covers(other, wanted));
                if let Some(other) = same.filter(|_| taken_by(wanted, &before).is_none()) {
                    let message = format!("match[{}] takes all requests that match this", other.index);
                    ineffective(&at_match.index(wanted.index), message);
                }
            }
        }
        if route.delegate.is_none() && before.len() < COMPARED {
            before.extend(route.matches.iter().map(|condition| (route.index, condition)));
        }
    }
}

/// What no request can meet.
fn check_satisfiable(wanted: &HttpMatch, at: &At<'_>) {
    if let Some(PathMatch::Exact(path) | PathMatch::Prefix(path)) = &wanted.uri
        && !path.starts_with('/')
        && !path.is_empty()
    {
        at.field("uri").warning_hint(
            Reason::Unreachable,
            format!("paths begin with a slash, so none is or begins with `{path}`"),
            format!("write /{path}"),
        );
    }
    if let Some(PathMatch::Exact(path) | PathMatch::Prefix(path)) = &wanted.uri
        && let Some(end) = path.find(['?', '#'])
    {
        let (path, rest) = path.split_at(end);
        let (what, hint) = match rest.strip_prefix('?') {
            Some(query) => ("a query", in_query_params(path, query)),
            None => ("what follows `#`", format!("write {path}: clients keep the rest to themselves")),
        };
        let message = format!("a path never contains {what}, so none is or begins with `{path}{rest}`");
        at.field("uri").warning_hint(Reason::Unreachable, message, hint);
    }
    if let Some(scheme) = &wanted.scheme
        && !["http", "https"].iter().any(|known| can_be(scheme, known))
        && let StringMatch::Exact(text) | StringMatch::Prefix(text) = scheme
    {
        let message = format!("requests have the scheme http or https, so none has `{text}`");
        at.field("scheme").warning_hint(Reason::Unreachable, message, "write http or https");
    }
    if let Some(StringMatch::Exact(method) | StringMatch::Prefix(method)) = &wanted.method
        && method.contains(|letter: char| letter.is_ascii_lowercase())
    {
        at.field("method").warning_hint(
            Reason::Unreachable,
            format!("methods are in capitals, so none is `{method}`"),
            format!("write {}", method.to_ascii_uppercase()),
        );
    }
    for without in wanted.headers.iter().filter(|header| header.invert) {
        let asked_for = |header: &&HeaderMatch| {
            !header.invert && header.name == without.name && string_covers(&without.value, &header.value)
        };
        if wanted.headers.iter().any(|header| asked_for(&header)) {
            at.field("withoutHeaders").field(&without.name).warning_hint(
                Reason::Unreachable,
                "what `headers` asks for is what this excludes, so no request matches",
                "leave one of the two out",
            );
        }
    }
}

/// Whether `text` may be what is wanted; of a regular expression nothing is known.
fn can_be(wanted: &StringMatch, text: &str) -> bool {
    match wanted {
        StringMatch::Present | StringMatch::Regex(_) => true,
        StringMatch::Exact(exact) => **exact == *text,
        StringMatch::Prefix(prefix) => text.starts_with(&**prefix),
    }
}

/// The same as `path?query`, written as conditions that can be met.
fn in_query_params(path: &str, query: &str) -> String {
    let first = query.split('&').next().unwrap_or_default();
    match first.split_once('=') {
        Some((name, value)) => {
            format!("write {path}, and queryParams: {{{name}: {{exact: {value:?}}}}} for the query")
        }
        None => format!("write {path}, and queryParams for the query"),
    }
}

pub(super) fn ineffective(at: &At<'_>, message: String) {
    at.report(Problem::new(Severity::Info, Reason::Unreachable, at.path(), message));
}

fn taken_by(wanted: &HttpMatch, before: &[(usize, &HttpMatch)]) -> Option<usize> {
    before.iter().find(|(_, earlier)| covers(earlier, wanted)).map(|(route, _)| *route)
}

/// Whether `wide` holds for certain for each request that `narrow` holds for.
fn covers(wide: &HttpMatch, narrow: &HttpMatch) -> bool {
    let HttpMatch {
        index: _,
        name: _,
        uri,
        ignore_uri_case,
        scheme,
        method,
        authority,
        headers,
        claims,
        query,
        port,
        source_labels,
        source_namespace,
        gateways,
        stat_prefix: _,
    } = wide;
    let path = match (uri, &narrow.uri) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(other)) => path_covers(wide, *ignore_uri_case, other, narrow.ignore_uri_case),
    };
    path && optional_covers(scheme.as_ref(), narrow.scheme.as_ref())
        && optional_covers(method.as_ref(), narrow.method.as_ref())
        && optional_covers(authority.as_ref(), narrow.authority.as_ref())
        && headers.iter().all(|header| narrow.headers.iter().any(|other| header_covers(header, other)))
        && claims.iter().all(|claim| narrow.claims.iter().any(|other| claim_covers(claim, other)))
        && query.iter().all(|(name, value)| query_covers(name, value, &narrow.query))
        && ForClient { port: *port, source_labels, source_namespace, gateways }.covers(&ForClient {
            port: narrow.port,
            source_labels: &narrow.source_labels,
            source_namespace: &narrow.source_namespace,
            gateways: &narrow.gateways,
        })
}

/// The conditions about who calls and where, which requests and connections have alike.
pub(super) struct ForClient<'a> {
    pub port: Option<u16>,
    pub source_labels: &'a Labels,
    pub source_namespace: &'a Option<Str>,
    pub gateways: &'a [Str],
}

impl ForClient<'_> {
    /// Whether these hold for certain wherever `narrow` does.
    pub(super) fn covers(&self, narrow: &Self) -> bool {
        let Self { port, source_labels, source_namespace, gateways } = self;
        port.is_none_or(|port| narrow.port == Some(port))
            && source_labels.iter().all(|(key, value)| narrow.source_labels.get(key) == Some(value))
            && (source_namespace.is_none() || *source_namespace == narrow.source_namespace)
            && (gateways.is_empty()
                || (!narrow.gateways.is_empty()
                    && narrow.gateways.iter().all(|name| gateways.contains(name))))
    }
}

fn path_covers(wide: &PathMatch, any_case: bool, narrow: &PathMatch, narrow_any_case: bool) -> bool {
    if narrow_any_case && !any_case {
        return false;
    }
    let begins = |text: &str, with: &str| match any_case {
        true => text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with)),
        false => text.starts_with(with),
    };
    let equal = |left: &str, right: &str| match any_case {
        true => left.eq_ignore_ascii_case(right),
        false => left == right,
    };
    match (wide, narrow) {
        (PathMatch::Exact(wide), PathMatch::Exact(narrow)) => equal(wide, narrow),
        (PathMatch::Prefix(wide), PathMatch::Exact(narrow) | PathMatch::Prefix(narrow)) => {
            begins(narrow, wide)
        }
        // Paths begin with a slash.
        (wide @ PathMatch::Prefix(_), PathMatch::Regex(_)) => wide.is_every_path(),
        (PathMatch::Regex(wide), PathMatch::Regex(narrow)) => wide == narrow,
        (PathMatch::Exact(_), PathMatch::Prefix(_) | PathMatch::Regex(_))
        | (PathMatch::Regex(_), PathMatch::Exact(_) | PathMatch::Prefix(_)) => false,
    }
}

fn optional_covers(wide: Option<&StringMatch>, narrow: Option<&StringMatch>) -> bool {
    match (wide, narrow) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(wide), Some(narrow)) => string_covers(wide, narrow),
    }
}

fn string_covers(wide: &StringMatch, narrow: &StringMatch) -> bool {
    match (wide, narrow) {
        (StringMatch::Present, _) => true,
        (StringMatch::Prefix(wide), StringMatch::Exact(narrow) | StringMatch::Prefix(narrow)) => {
            narrow.starts_with(&**wide)
        }
        (wide, narrow) => wide == narrow,
    }
}

fn header_covers(wide: &HeaderMatch, narrow: &HeaderMatch) -> bool {
    let HeaderMatch { name, value, invert } = wide;
    *name == narrow.name
        && *invert == narrow.invert
        && match invert {
            false => string_covers(value, &narrow.value),
            true => *value == narrow.value,
        }
}

fn claim_covers(wide: &ClaimMatch, narrow: &ClaimMatch) -> bool {
    let ClaimMatch { path, value } = wide;
    *path == narrow.path && string_covers(value, &narrow.value)
}

fn query_covers(name: &Str, value: &StringMatch, narrow: &[(Str, StringMatch)]) -> bool {
    narrow.iter().any(|(other, narrow)| other == name && string_covers(value, narrow))
}
