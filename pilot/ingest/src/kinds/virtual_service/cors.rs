//! `corsPolicy` of an HTTP route.

use super::condition::parse_string_match;
use crate::{
    at::At,
    values::{is_header_name, parse_duration, parse_header_value},
};
use mesh_api::{duration::Duration as ApiDuration, networking::virtual_service::cors as api};
use mesh_model::{Cors, Duration, Reason, Str, StringMatch};

const SECOND: i128 = 1_000_000_000;

/// Those that Istio knows.
const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

/// Reads the block; an origin, method or header that cannot be used is left out, which allows less and never more.
pub fn parse_cors(policy: api::CorsPolicy, at: &At<'_>) -> Cors {
    let api::CorsPolicy {
        allow_origin,
        allow_origins,
        allow_methods,
        allow_headers,
        expose_headers,
        max_age,
        allow_credentials,
        unmatched_preflights,
    } = policy;
    if !allow_origin.is_empty() && !allow_origins.is_empty() {
        at.field("allowOrigin").warning_hint(
            Reason::Conflict,
            "`allowOrigins` is set, so this older form of it has no effect",
            "leave `allowOrigin` out",
        );
    }
    at.deprecated(
        "allowOrigin",
        !allow_origin.is_empty() && allow_origins.is_empty(),
        "allowOrigins: [{exact: ..}]",
    );
    let at_origins = at.field("allowOrigins");
    let allow_origins: Vec<StringMatch> = match allow_origins.is_empty() {
        true => {
            let at_origin = at.field("allowOrigin");
            let origins = allow_origin.iter().enumerate();
            let origins = origins.map(|(index, origin)| {
                check_origin(origin, &at_origin.index(index));
                StringMatch::Exact(origin.as_str().into())
            });
            origins.collect()
        }
        false => {
            let origins = allow_origins.into_iter().enumerate();
            origins.filter_map(|(index, origin)| parse_origin(origin, &at_origins.index(index))).collect()
        }
    };
    if allow_origins.is_empty() {
        at.warning_hint(
            Reason::Required,
            "no origin is allowed",
            "name them in `allowOrigins`, or write `- exact: \"*\"` for all",
        );
    }
    Cors {
        allow_origins,
        allow_methods: parse_methods(&allow_methods, &at.field("allowMethods")),
        allow_headers: parse_headers(&allow_headers, &at.field("allowHeaders")),
        expose_headers: parse_headers(&expose_headers, &at.field("exposeHeaders")),
        max_age: max_age.and_then(|value| parse_max_age(value, &at.field("maxAge"))),
        allow_credentials,
        forward_unmatched_preflights: match unmatched_preflights {
            None | Some(api::UnmatchedPreflights::Unspecified | api::UnmatchedPreflights::Forward) => true,
            Some(api::UnmatchedPreflights::Ignore) => false,
        },
    }
}

fn parse_origin(origin: mesh_api::networking::StringMatch, at: &At<'_>) -> Option<StringMatch> {
    match parse_string_match(origin, at)? {
        StringMatch::Present => {
            at.error_hint(
                Reason::Required,
                "the origin to compare with is empty",
                "set one of exact, prefix, regex; `exact: \"*\"` is every origin",
            );
            None
        }
        origin => {
            if let StringMatch::Exact(text) = &origin {
                check_origin(text, &at.field("exact"));
            }
            Some(origin)
        }
    }
}

/// Browsers send a scheme, a host and a port, and nothing behind them; or `null`.
fn check_origin(origin: &str, at: &At<'_>) {
    if matches!(origin, "*" | "null") {
        return;
    }
    let hint = match origin.split_once("://") {
        Some((_, rest)) if rest.contains('*') => "write it as a `regex`, with `.*` for any text".to_owned(),
        Some((scheme, rest)) => match rest.split_once('/') {
            Some((host, _)) => format!("write {scheme}://{host}"),
            None => return,
        },
        None => format!("write the scheme, too, as in https://{origin}"),
    };
    let message = format!("no page has the origin `{origin}`: that is a scheme, a host and maybe a port");
    at.warning_hint(Reason::Unreachable, message, hint);
}

/// Browsers are told whole seconds; a part of one is cut off, as in Istio.
fn parse_max_age(value: ApiDuration, at: &At<'_>) -> Option<Duration> {
    let nanos = i128::from(value.as_nanos());
    if nanos <= 0 || nanos % SECOND == 0 {
        return parse_duration(value, at);
    }
    let whole = nanos / SECOND;
    let effect = match whole {
        0 => "so they keep nothing".to_owned(),
        whole => format!("so {whole}s is used"),
    };
    at.warning_hint(
        Reason::InvalidValue,
        format!("browsers are told whole seconds, {effect}; Istio refuses this"),
        format!("write {}s", whole + 1),
    );
    u64::try_from(whole).ok().map(Duration::from_secs)
}

/// Names of headers, or `*`.
fn parse_headers(names: &[String], at: &At<'_>) -> Vec<Str> {
    for (index, name) in names.iter().enumerate() {
        let at = at.index(index);
        let parts: Vec<&str> = name.split(',').map(str::trim).collect();
        if name == "*" || is_header_name(name) {
        } else if parts.len() > 1 && parts.iter().all(|part| is_header_name(part)) {
            at.info_hint(
                Reason::InvalidValue,
                format!("browsers are told of `{name}`; Istio refuses several names in one entry"),
                format!("for Istio write [{}]", parts.join(", ")),
            );
        // What cannot be sent at all is told below.
        } else if !name.chars().any(char::is_control) {
            at.warning_hint(
                Reason::InvalidValue,
                format!("`{name}` is not a header name, and browsers know none like it; Istio refuses it"),
                "use letters, digits and -_, or leave it out",
            );
        }
    }
    parse_list(names, at)
}

/// All go to browsers as they are written; they compare the case, too.
fn parse_methods(methods: &[String], at: &At<'_>) -> Vec<Str> {
    for (index, method) in
        methods.iter().enumerate().filter(|(_, method)| !METHODS.contains(&method.as_str()))
    {
        let at = at.index(index);
        let upper = method.to_ascii_uppercase();
        match METHODS.contains(&upper.as_str()) {
            _ if method == "*" => at.warning_hint(
                Reason::InvalidValue,
                "browsers take `*` for all methods of requests without credentials only, and Istio refuses it",
                "name the methods, as in `[GET, POST]`",
            ),
            true => at.warning_hint(
                Reason::InvalidValue,
                format!("`{method}` is no method: their case counts; Istio refuses it"),
                format!("write {upper}"),
            ),
            // What cannot be sent at all is told below.
            false if !method.bytes().all(|byte| byte.is_ascii_graphic()) => {}
            false => at.info_hint(
                Reason::InvalidValue,
                format!("browsers are told of `{method}`; Istio refuses it"),
                format!("for Istio write some of {}", METHODS.join(", ")),
            ),
        }
    }
    parse_list(methods, at)
}

/// Names that are sent in one header, separated by commas.
fn parse_list(names: &[String], at: &At<'_>) -> Vec<Str> {
    let names = names.iter().enumerate();
    names.filter_map(|(index, name)| parse_header_value(name, &at.index(index))).collect()
}
