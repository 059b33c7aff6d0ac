//! `redirect`, `directResponse` and `rewrite` of an HTTP route.

use crate::{
    at::At,
    values::{parse_header_value, parse_port, parse_regex, parse_status},
};
use mesh_api::networking::virtual_service::{redirect as api, rewrite as rewrite_api};
use mesh_model::{
    DirectResponse, HttpMatch, Reason, Redirect, RedirectPath, RedirectPort, Rewrite, RewritePath, Str,
};
use mesh_re2::Re2;

/// Envoy's bound on the body of a direct response.
const MAX_BODY: usize = 1024 * 1024;

/// From here on Istio warns.
const LARGE_BODY: usize = 100 * 1024;

/// Reads a redirect.
pub fn parse_redirect(redirect: api::HttpRedirect, at: &At<'_>) -> Option<Redirect> {
    let api::HttpRedirect { uri, prefix_rewrite, authority, port, derive_port, scheme, redirect_code } =
        redirect;
    let texts = [&uri, &prefix_rewrite, &authority, &scheme];
    let elsewhere = texts.into_iter().flatten().any(|text| !text.is_empty());
    let at_port = at.field("port");
    if port == Some(0) {
        at_port.warning_hint(
            Reason::InvalidValue,
            "0 is not a port, so none is set, as in Istio",
            "leave it out",
        );
    }
    let port = port.filter(|port| *port != 0);
    if !elsewhere && port.is_none() && derive_port.is_none() {
        at.error_hint(
            Reason::Required,
            "the redirect leads to where the request came from",
            "set one of uri, authority, scheme, port, derivePort",
        );
        return None;
    }
    let path = match (non_empty(uri), non_empty(prefix_rewrite)) {
        (Some(_), Some(_)) => {
            at.error_hint(
                Reason::Conflict,
                "`uri` and `prefixRewrite` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
        (Some(uri), None) => {
            if uri.contains("://") {
                at.field("uri").warning_hint(
                    Reason::InvalidValue,
                    format!("`{uri}` is a URL where only its path is expected: clients are sent to that path of the same host"),
                    "write scheme, host and path as `scheme`, `authority` and `uri`",
                );
            }
            Some(RedirectPath::Full(parse_header_value(&uri, &at.field("uri"))?))
        }
        (None, Some(prefix)) => {
            Some(RedirectPath::Prefix(parse_header_value(&prefix, &at.field("prefixRewrite"))?))
        }
        (None, None) => None,
    };
    let port = match (port, derive_port) {
        (Some(_), Some(_)) => {
            at.error_hint(
                Reason::Conflict,
                "`port` and `derivePort` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
        (Some(number), None) => Some(RedirectPort::Number(parse_port(number, &at_port)?)),
        (None, Some(api::RedirectPortSelection::FromProtocolDefault)) => {
            Some(RedirectPort::FromProtocolDefault)
        }
        (None, Some(api::RedirectPortSelection::FromRequestPort)) => Some(RedirectPort::FromRequest),
        (None, None) => None,
    };
    let scheme = scheme.unwrap_or_default();
    if !matches!(scheme.as_str(), "" | "http" | "https") {
        at.field("scheme").error_hint(
            Reason::InvalidValue,
            format!("`{scheme}` is neither http nor https"),
            "write http or https",
        );
        return None;
    }
    let code = match redirect_code {
        None | Some(0) => 301,
        Some(code @ (301 | 302 | 303 | 307 | 308)) => code as u16,
        Some(code) => {
            at.field("redirectCode").error_hint(
                Reason::InvalidValue,
                format!("{code} is not a redirect"),
                "write 301, 302, 303, 307 or 308",
            );
            return None;
        }
    };
    let has_port = |name: &String| name.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    if matches!(port, Some(RedirectPort::Number(_))) && authority.as_ref().is_some_and(has_port) {
        at_port.warning_hint(
            Reason::Conflict,
            "`authority` has a port already: clients are sent to a URL with both, which is none",
            "write the port in one of the two",
        );
    }
    Some(Redirect {
        path,
        authority: parse_header_value(&authority.unwrap_or_default(), &at.field("authority"))?,
        port,
        scheme: scheme.into(),
        code,
    })
}

/// Reads a direct response.
pub fn parse_direct_response(response: api::DirectResponse, at: &At<'_>) -> Option<DirectResponse> {
    let api::DirectResponse { status, body } = response;
    let status = parse_status(status, &at.field("status"))?;
    let at_body = at.field("body");
    let body = match body.map(|api::HttpBody { string, bytes }| (string, bytes)) {
        None | Some((None, None)) => Vec::new(),
        Some((Some(text), None)) => text.into_bytes(),
        Some((None, Some(bytes))) => bytes.0,
        Some((Some(_), Some(_))) => {
            at_body.error_hint(
                Reason::Conflict,
                "`string` and `bytes` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
    };
    if body.len() > MAX_BODY {
        at_body.error_hint(
            Reason::InvalidValue,
            format!("the body has {} bytes; at most {MAX_BODY} are allowed", body.len()),
            "let a service answer with what is larger",
        );
        return None;
    }
    if body.len() > LARGE_BODY {
        at_body.info_hint(
            Reason::InvalidValue,
            format!("each proxy with this route gets all {} bytes of the body with it", body.len()),
            "let a service answer with what is large",
        );
    }
    Some(DirectResponse { status, body: body.into() })
}

/// Reads a rewrite for a route with these matches.
pub fn parse_rewrite(
    rewrite: rewrite_api::HttpRewrite,
    matches: &[HttpMatch],
    at: &At<'_>,
) -> Option<Rewrite> {
    let rewrite_api::HttpRewrite { uri, authority, uri_regex_rewrite } = rewrite;
    let path = match (non_empty(uri), uri_regex_rewrite) {
        (Some(_), Some(_)) => {
            at.error_hint(
                Reason::Conflict,
                "`uri` and `uriRegexRewrite` exclude each other",
                "leave one of the two out",
            );
            return None;
        }
        (Some(uri), None) => {
            if matches.iter().any(|condition| condition.uri.is_none()) {
                at.field("uri").warning_hint(
                    Reason::InvalidValue,
                    "without a `uri` match there is no part of the path to replace; `/` is replaced",
                    "add a uri prefix to `match`",
                );
            }
            if !uri.starts_with('/') {
                at.field("uri").warning_hint(
                    Reason::InvalidValue,
                    format!("paths begin with a slash: requests for one that begins with `{uri}` fail"),
                    format!("write /{uri}"),
                );
            }
            Some(RewritePath::Matched(parse_header_value(&uri, &at.field("uri"))?))
        }
        (None, Some(regex)) => {
            let rewrite_api::RegexRewrite { r#match, rewrite } = regex;
            let at = at.field("uriRegexRewrite");
            let pattern = parse_regex(&r#match.unwrap_or_default(), &at.field("match"))?;
            let substitution = rewrite.unwrap_or_default();
            if substitution.is_empty() {
                at.field("rewrite").info_hint(
                    Reason::Required,
                    "what `match` takes is cut out of the path; Istio refuses this",
                    "for Istio put what is to be kept in parentheses in `match`, and write `\\1`",
                );
            }
            check_groups(&pattern, &substitution, &at.field("rewrite"))?;
            Some(RewritePath::Regex { pattern, substitution: substitution.into() })
        }
        (None, None) => None,
    };
    let authority = parse_header_value(&authority.unwrap_or_default(), &at.field("authority"))?;
    if path.is_none() && authority.is_empty() {
        at.error_hint(
            Reason::Required,
            "the rewrite does nothing",
            "set one of uri, authority, uriRegexRewrite",
        );
        return None;
    }
    Some(Rewrite { path, authority })
}

/// Envoy rejects a substitution that refers to a group the pattern lacks.
fn check_groups(pattern: &Str, substitution: &str, at: &At<'_>) -> Option<()> {
    let groups = Re2::new(pattern).map_or(0, |pattern| pattern.groups());
    let mut characters = substitution.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            continue;
        }
        match characters.next() {
            Some('\\') => {}
            Some(digit) if digit.is_ascii_digit() => {
                let group = digit.to_digit(10).unwrap_or_default() as usize;
                if group > groups {
                    at.error_hint(
                        Reason::InvalidValue,
                        format!("`\\{group}` refers to a group that `match` does not have; it has {groups}"), "put what is to be kept in parentheses in `match`, or write `\\0` for all that it matched");
                    return None;
                }
            }
            _ => {
                at.error_hint(
                    Reason::InvalidValue,
                    "a backslash must be followed by a group's number",
                    "write \\\\ for a backslash",
                );
                return None;
            }
        }
    }
    Some(())
}

fn non_empty(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
