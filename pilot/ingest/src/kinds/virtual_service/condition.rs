//! `match` of an HTTP route.
//!
//! A condition that cannot be read makes the whole match unusable: leaving out the condition would widen what the route takes.

use super::claim::{is_claim, parse_claim};
use crate::{
    at::At,
    values::{parse_header_name, parse_port, parse_regex, parse_selector, parse_source_namespace},
};
use mesh_api::networking::{StringMatch as ApiStringMatch, virtual_service::http_match as api};
use mesh_model::{ClaimMatch, HeaderMatch, HttpMatch, PathMatch, Reason, Str, StringMatch};
use std::collections::BTreeMap;

/// No regular expression, but written like one: whatever there is.
const ANYTHING: &str = "*";

/// Reads a match; `None` when a condition cannot be used.
pub fn parse_match(condition: api::HttpMatchRequest, index: usize, at: &At<'_>) -> Option<HttpMatch> {
    let api::HttpMatchRequest {
        name,
        uri,
        scheme,
        method,
        authority,
        headers,
        port,
        source_labels,
        gateways,
        query_params,
        ignore_uri_case,
        without_headers,
        source_namespace,
        stat_prefix,
    } = condition;
    // Each is read, so that all problems show at once; then any missing one makes the match unusable.
    // Nothing in it asks for nothing, as in Istio.
    let uri = uri.filter(|uri| *uri != ApiStringMatch::default());
    let uri = optional(uri, |uri| parse_path(uri, &at.field("uri")));
    let scheme = optional(scheme, |value| parse_string_match(value, &at.field("scheme")));
    let method = optional(method, |value| parse_string_match(value, &at.field("method")));
    let authority = optional(authority, |value| parse_string_match(value, &at.field("authority")));
    let (claims, headers) = headers.into_iter().partition(|(name, _)| is_claim(name));
    let claims = parse_claims(claims, false, &at.field("headers"));
    let with = parse_header_matches(headers, false, &at.field("headers"));
    let (excluded, without) = without_headers.into_iter().partition(|(name, _)| is_claim(name));
    let excluded = parse_claims(excluded, true, &at.field("withoutHeaders"));
    let without = parse_header_matches(without, true, &at.field("withoutHeaders"));
    let query = parse_query(query_params, &at.field("queryParams"));
    let port = optional(port.filter(|port| *port != 0), |port| parse_port(port, &at.field("port")));
    let ignore_uri_case = ignore_uri_case.unwrap_or(false);
    let uri = uri?;
    if ignore_uri_case && matches!(uri, Some(PathMatch::Regex(_))) {
        at.field("ignoreUriCase").warning_hint(
            Reason::Unreachable,
            "this has no effect on a regular expression",
            "begin the expression with (?i)",
        );
    }
    let mut headers = with?;
    headers.extend(without?);
    excluded?;
    headers.sort();
    Some(HttpMatch {
        index,
        name: name.unwrap_or_default().into(),
        uri,
        ignore_uri_case,
        scheme: scheme?,
        method: method?,
        authority: authority?,
        headers,
        claims: claims?,
        query: query?,
        port: port?,
        source_labels: parse_selector(&source_labels, &at.field("sourceLabels")),
        source_namespace: parse_source_namespace(source_namespace, &at.field("sourceNamespace")),
        gateways: gateways.iter().map(|name| parse_gateway(name, at)).collect(),
        stat_prefix: stat_prefix.unwrap_or_default().into(),
    })
}

/// `mesh`, or a gateway's name with its namespace.
pub fn parse_gateway(name: &str, at: &At<'_>) -> Str {
    match name {
        "mesh" => "mesh".into(),
        name if name.contains('/') => name.into(),
        name => format!("{}/{name}", at.namespace()).into(),
    }
}

/// `Some(None)` for nothing, `None` for something that cannot be read.
fn optional<T, U>(value: Option<T>, parse: impl FnOnce(T) -> Option<U>) -> Option<Option<U>> {
    match value {
        None => Some(None),
        Some(value) => parse(value).map(Some),
    }
}

fn parse_path(path: ApiStringMatch, at: &At<'_>) -> Option<PathMatch> {
    let ApiStringMatch { exact, prefix, regex } = path;
    match (exact, prefix, regex) {
        (Some(exact), None, None) if !exact.is_empty() => Some(PathMatch::Exact(exact.into())),
        (None, Some(prefix), None) => Some(PathMatch::Prefix(prefix.into())),
        (None, None, Some(regex)) => parse_regex(&regex, &at.field("regex")).map(PathMatch::Regex),
        (None, None, None) | (Some(_), None, None) => {
            at.error_hint(
                Reason::Required,
                "the path to compare with is empty",
                "set one of exact, prefix, regex; `prefix: /` is every path",
            );
            None
        }
        _ => several(at),
    }
}

/// How a string is compared; nothing said asks only that it is there.
pub fn parse_string_match(value: ApiStringMatch, at: &At<'_>) -> Option<StringMatch> {
    let ApiStringMatch { exact, prefix, regex } = value;
    match (exact, prefix, regex) {
        (None, None, None) => Some(StringMatch::Present),
        (Some(exact), None, None) => Some(StringMatch::Exact(exact.into())),
        (None, Some(prefix), None) if prefix.is_empty() => {
            at.field("prefix").error_hint(
                Reason::InvalidValue,
                "the prefix is empty",
                "write {} to ask only for presence",
            );
            None
        }
        (None, Some(prefix), None) => Some(StringMatch::Prefix(prefix.into())),
        (None, None, Some(regex)) if regex == ANYTHING => {
            at.field("regex").warning_hint(
                Reason::InvalidValue,
                "`*` asks only that it is there; Istio refuses it but in `withoutHeaders`",
                "write {} to ask only for presence",
            );
            Some(StringMatch::Present)
        }
        (None, None, Some(regex)) => parse_regex(&regex, &at.field("regex")).map(StringMatch::Regex),
        _ => several(at),
    }
}

fn several<T>(at: &At<'_>) -> Option<T> {
    at.error_hint(
        Reason::Conflict,
        "only one of `exact`, `prefix` and `regex` can be set",
        "leave all but one out",
    );
    None
}

fn parse_header_matches(
    headers: BTreeMap<String, ApiStringMatch>,
    invert: bool,
    at: &At<'_>,
) -> Option<Vec<HeaderMatch>> {
    let mut parsed = Some(Vec::with_capacity(headers.len()));
    for (name, value) in headers {
        let at = at.field(&name);
        // Where nothing is to be there, this is how Istio has it written.
        let is_any = invert && value.regex.as_deref() == Some(ANYTHING);
        let value = if is_any { ApiStringMatch { regex: None, ..value } } else { value };
        let value = parse_string_match(value, &at);
        match (parse_header_name(&name, &at), value) {
            (Some(name), Some(value)) => {
                let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                if !name.bytes().all(usual) {
                    at.info_hint(
                        Reason::InvalidValue,
                        format!("requests can have a header `{name}`; Istio refuses to match it"),
                        match &*name {
                            ":method" => "for Istio write `method`",
                            ":authority" => "for Istio write `authority`",
                            ":scheme" => "for Istio write `scheme`",
                            ":path" => "for Istio write `uri`",
                            _ => "for Istio use a header with letters, digits and -_ alone",
                        },
                    );
                }
                if let Some(parsed) = &mut parsed {
                    parsed.push(HeaderMatch { name, value, invert });
                }
            }
            _ => parsed = None,
        }
    }
    parsed
}

fn parse_claims(
    claims: BTreeMap<String, ApiStringMatch>,
    invert: bool,
    at: &At<'_>,
) -> Option<Vec<ClaimMatch>> {
    // Each is read, so that all problems show at once.
    let parsed: Vec<_> =
        claims.into_iter().map(|(name, value)| parse_claim(&name, value, invert, &at.field(&name))).collect();
    let mut parsed: Vec<ClaimMatch> = parsed.into_iter().collect::<Option<_>>()?;
    parsed.sort();
    Some(parsed)
}

fn parse_query(params: BTreeMap<String, ApiStringMatch>, at: &At<'_>) -> Option<Vec<(Str, StringMatch)>> {
    let mut parsed = Some(Vec::with_capacity(params.len()));
    for (name, value) in params {
        match (parse_string_match(value, &at.field(&name)), &mut parsed) {
            (Some(value), Some(parsed)) => parsed.push((name.into(), value)),
            _ => parsed = None,
        }
    }
    parsed
}
