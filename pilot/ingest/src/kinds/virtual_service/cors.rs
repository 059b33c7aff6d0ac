//! `corsPolicy` of an HTTP route.

use super::condition::parse_string_match;
use crate::{
    at::At,
    values::{parse_duration, parse_header_value},
};
use mesh_api::networking::virtual_service::cors as api;
use mesh_model::{Cors, Reason, Str, StringMatch};

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
        true => allow_origin.iter().map(|origin| StringMatch::Exact(origin.as_str().into())).collect(),
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
        allow_headers: parse_list(&allow_headers, &at.field("allowHeaders")),
        expose_headers: parse_list(&expose_headers, &at.field("exposeHeaders")),
        max_age: max_age.and_then(|value| parse_duration(value, &at.field("maxAge"))),
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
        origin => Some(origin),
    }
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
