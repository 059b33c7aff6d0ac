//! What is taken here an Envoy takes, and what is refused here it refuses. What a pattern matches is in `matches.rs`.
#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

use mesh_re2::Re2;
use mesh_testkit::envoy;
use serde_json::json;

/// Patterns that people write, and the corners of the syntax.
const TAKEN: &[&str] = &[
    "/a.*",
    "(?i)a|b",
    "^/(?:x|y)$",
    r"/users/[\w]{8}-[\w]{4}-[\w]{4}-[\w]{4}-[\w]{12}",
    r"^/user/\w{1,64}$",
    r"^/[\w-]{36}/[\w-]{36}/.*$",
    r"\W{1,300}",
    "/users/{id}/.*",
    "a{,3}",
    "x{",
    "a{02}",
    r"[\w-.]+",
    r"[\d-x]",
    "[[]a",
    "[^[]+",
    "[]a]",
    "[a&&b]",
    "[a~~b]",
    "[[:alpha:][:^digit:]]",
    r"\Qa.b\E.*",
    r"\Qa.b",
    r"\0\07\12",
    r"\<\-\_\/",
    "(?P<x>a)(?<x>b)",
    "(?i-s:a)(?U)b*",
    "a{2,1000}",
    "(a{10}){40}",
    r"\p{Greek}\pL\PN\p{^Lu}",
    r"\x{f1}\x41",
    r"\p{L}{100}",
    "é+|[α-ω]",
    r"\Aa\b\Bb\z",
    ".{1000}",
    "()|",
    "}]",
];

const REFUSED: &[&str] = &[
    "(",
    "a)",
    "[a",
    "*a",
    "a|*",
    "a++",
    "a**",
    "a{2}{3}",
    "a{2,1}",
    "a{1001}",
    "(a{30}){40}",
    "(((a{100}){100}){100}){10}",
    "\\",
    r"\q",
    r"\u0041",
    r"\h",
    r"\Z",
    r"(a)\1",
    "[z-a]",
    "[[:foo:]]",
    r"\p{Letter}",
    r"\p{sc=Greek}",
    "(?=a)b",
    "(?<!a)b",
    "(?x) a",
    "(?P<a.b>x)",
    r"\x{3b1}",
    r"\777",
    "(?:[ac]{30}){33}(?:[ac]{30}){33}(?:[ac]{30}){33}(?:[ac]{30}){33}(?:(?:[acegikmoqsuwy]{30}){33}|(?:[acegikmoqsuwy]{30}){33}|(?:[acegikmoqsuwy]{30}){33}|(?:[acegikmoqsuwy]{30}){33}|(?:[acegikmoqsuwy]{30}){33})",
];

fn bootstrap(patterns: &[&str]) -> String {
    let routes: Vec<_> = patterns
        .iter()
        .map(|pattern| {
            json!({ "match": { "safe_regex": { "regex": pattern } }, "direct_response": { "status": 200 } })
        })
        .collect();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "p",
        "http_filters": [{ "name": "router", "typed_config": { "@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router" } }],
        "route_config": { "virtual_hosts": [{ "name": "v", "domains": ["*"], "routes": routes }] },
    });
    json!({
        "layered_runtime": { "layers": [
            { "name": "static", "static_layer": { "re2": { "max_program_size": { "error_level": 32768 } } } },
        ] },
        "static_resources": { "listeners": [{
            "name": "l",
            "address": { "socket_address": { "address": "127.0.0.1", "port_value": 0 } },
            "filter_chains": [{ "filters": [{ "name": "hcm", "typed_config": manager }] }],
        }] },
    })
    .to_string()
}

#[tokio::test]
async fn envoy_takes_what_is_taken_and_refuses_what_is_refused() {
    for pattern in TAKEN {
        assert!(Re2::new(pattern).is_ok(), "{pattern}: {}", Re2::new(pattern).unwrap_err());
    }
    if envoy::validate(&bootstrap(TAKEN)).await.unwrap().is_none() {
        return;
    }
    for pattern in REFUSED {
        assert!(Re2::new(pattern).is_err(), "{pattern} is taken");
        assert!(envoy::validate(&bootstrap(&[pattern])).await.is_err(), "Envoy takes {pattern}");
    }
}
