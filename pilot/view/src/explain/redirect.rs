//! Where a redirect sends a client, as Envoy writes the `location` header.

use super::{Request, request::split_port};
use crate::spec::RouteMatchSpec;
use mesh_model::{PathMatch, Redirect, RedirectPath, RedirectPort};

/// The `location` that `redirect` gives a request that `matches` has taken.
pub fn location(redirect: &Redirect, matches: &RouteMatchSpec, request: &Request) -> String {
    let Redirect { path, authority, port, scheme, code: _ } = redirect;
    let new_scheme = if scheme.is_empty() { &request.scheme } else { &**scheme };
    // Default ports are not spelled out.
    let new_port = match (port, &**scheme) {
        (Some(RedirectPort::Number(80)), "" | "http") | (Some(RedirectPort::Number(443)), "https") => None,
        (Some(RedirectPort::Number(port)), _) => Some(*port),
        (Some(RedirectPort::FromProtocolDefault | RedirectPort::FromRequest) | None, _) => None,
    };
    let host = if authority.is_empty() { kept_host(request, new_scheme, new_port) } else { authority };
    let port = new_port.map(|port| format!(":{port}")).unwrap_or_default();
    let query = request.query().map(|query| format!("?{query}")).unwrap_or_default();
    let old = request.path_alone();
    let path = match path {
        None => format!("{old}{query}"),
        Some(RedirectPath::Full(path)) if path.contains('?') => path.to_string(),
        Some(RedirectPath::Full(path)) => format!("{path}{query}"),
        Some(RedirectPath::Prefix(prefix)) => {
            let matched = match &matches.path {
                None => 1,
                Some(PathMatch::Prefix(prefix) | PathMatch::Exact(prefix)) => prefix.len(),
                Some(PathMatch::Regex(_)) => old.len(),
            };
            format!("{prefix}{}{query}", old.get(matched..).unwrap_or_default())
        }
    };
    // Envoy begins what does not begin so.
    let root = if path.starts_with('/') { "" } else { "/" };
    format!("{new_scheme}://{host}{port}{root}{path}")
}

/// The request's host; its port goes when another is said, or when it is the old scheme's default and the scheme changes.
fn kept_host<'r>(request: &'r Request, new_scheme: &str, new_port: Option<u16>) -> &'r str {
    let (host, port) = split_port(&request.authority);
    let default = matches!((&*request.scheme, port), ("http", Some("80")) | ("https", Some("443")));
    if new_port.is_some() || (new_scheme != request.scheme && default) { host } else { &request.authority }
}
