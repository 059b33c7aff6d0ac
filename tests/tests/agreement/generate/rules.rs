//! Rules of VirtualServices: what they match, and what they do.

use super::{DELEGATES, HEADERS, METHODS, NAMESPACE, OTHER, PATHS, PORTS, VALUES, host};
use crate::blocks::{Block, always, either, fields, list, named, of, some_of, together};
use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

/// What VirtualServices are about, besides hosts that services have.
pub const ROUTED: &[&str] = &[
    "a.test",
    "b.test",
    "c.wild.test",
    "*.wild.test",
    "*.test",
    "virtual.test",
    "x.star.test",
    "alpha",
    "*",
];
const PATTERNS: &[&str] = &["/a.*", "/api/v[0-9]+(/.*)?", ".*\\.css", "/(a|b)/?", "(?i)/AB"];

/// One rule, which does one thing.
pub fn rules() -> Block {
    let does = either(vec![
        (2, fields(vec![("redirect", 100, redirect())])),
        (1, fields(vec![("directResponse", 100, direct_response())])),
        (1, fields(vec![("delegate", 100, delegate())])),
        (6, forward()),
    ]);
    let matches = vec(condition(), 0..=2).prop_map(|matches| match matches.is_empty() {
        true => json!({}),
        false => json!({ "match": matches }),
    });
    together((matches, does, fault()).prop_map(|(matches, does, fault)| match does.get("delegate") {
        Some(_) => vec![matches, does],
        None => vec![matches, does, fault],
    }))
}

fn forward() -> Block {
    let mirror = either(vec![(1, destination())])
        .prop_map(|to| json!([{ "destination": to["destination"], "percentage": { "value": 100 } }]));
    let rewrite = fields(vec![
        ("uri", 70, of(&["/", "/rewritten", "/x/"])),
        ("authority", 40, of(&["rewritten.test"])),
    ]);
    let rewrite = rewrite.prop_map(|block| match block.as_object().is_some_and(serde_json::Map::is_empty) {
        true => json!({ "uri": "/rewritten" }),
        false => block,
    });
    let retries = fields(vec![
        ("attempts", 100, of(&[0_u32, 1, 3])),
        ("retryOn", 40, of(&["5xx", "connect-failure,refused-stream"])),
        ("perTryTimeout", 30, of(&["9s"])),
    ]);
    fields(vec![
        ("route", 100, list(destination(), 1..=3)),
        ("timeout", 15, of(&["14s"])),
        ("retries", 25, retries),
        ("rewrite", 15, rewrite.boxed()),
        ("mirrors", 10, mirror.boxed()),
    ])
}

fn destination() -> Block {
    let to = fields(vec![
        ("host", 100, host()),
        ("subset", 40, of(&["v1", "v1", "v1", "v2", "v2", "v2", "v3", "v3", "v9"])),
        (
            "port",
            60,
            of(&[80_u16, 80, 80, 8080, 8080, 8080, 9000, 9000, 9999])
                .prop_map(|port| json!({ "number": port }))
                .boxed(),
        ),
    ]);
    (to, 1_u32..50).prop_map(|(to, weight)| json!({ "destination": to, "weight": weight })).boxed()
}

fn delegate() -> Block {
    let to = |(name, namespace): (&str, &str)| json!({ "name": name, "namespace": namespace });
    select(DELEGATES).prop_map(to).boxed()
}

fn direct_response() -> Block {
    fields(vec![
        ("status", 100, of(&[204_u16, 404, 418, 503])),
        ("body", 20, always(json!({ "string": "said by the proxy" }))),
    ])
}

/// Mostly none; if there is one, it concerns everybody or nobody.
fn fault() -> Block {
    let percentage = || of(&[100_u32, 100, 0]).prop_map(|value| json!({ "value": value })).boxed();
    let abort = fields(vec![("httpStatus", 100, of(&[555_u16, 429])), ("percentage", 100, percentage())]);
    let delay = fields(vec![("fixedDelay", 100, of(&["2ms"])), ("percentage", 100, percentage())]);
    let faults = fields(vec![("abort", 60, abort), ("delay", 60, delay)]);
    let faults = faults.prop_map(|faults| match faults.as_object().is_some_and(serde_json::Map::is_empty) {
        true => json!({}),
        false => json!({ "fault": faults }),
    });
    either(vec![(88, always(json!({}))), (12, faults.boxed())])
}

fn redirect() -> Block {
    let port = either(vec![
        (1, fields(vec![("port", 100, of(&[80_u16, 443, 8443]))])),
        (1, fields(vec![("derivePort", 100, of(&["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]))])),
        (2, always(json!({}))),
    ]);
    let rest = fields(vec![
        ("redirectCode", 100, of(&[301_u16, 302, 303, 307, 308])),
        ("uri", 60, of(&["/moved", "/moved?why=1", "/", "moved/here", "%PREFIX()%"])),
        ("authority", 50, of(&["new.test", "new.test:81"])),
        ("scheme", 30, of(&["https"])),
    ]);
    let whole = |mut redirect: Value| {
        if redirect.get("uri").is_none() && redirect.get("authority").is_none() {
            redirect["authority"] = "new.test".into();
        }
        redirect
    };
    together((port, rest.prop_map(whole)).prop_map(|(port, rest)| vec![port, rest]))
}

fn condition() -> Block {
    let uri = either(vec![
        (1, fields(vec![("exact", 100, of(PATHS))])),
        (1, fields(vec![("prefix", 100, of(PATHS))])),
        (1, fields(vec![("regex", 100, of(PATTERNS))])),
    ]);
    let authority = named(&["exact", "prefix"], of(&["a.test", "alpha", "b.test:8080"]));
    let values = &["ad.*", "[0-9]+", ".*", "ada|bob", ".+"];
    let part = |name: &'static str, block: Block| fields(vec![(name, 100, block)]);
    let parts = either(vec![
        (4, fields(vec![("uri", 100, uri), ("ignoreUriCase", 30, of(&[true]))])),
        (2, part("headers", named(HEADERS, word(VALUES, values)))),
        (2, part("withoutHeaders", named(HEADERS, word(VALUES, values)))),
        (1, part("method", named(&["exact"], of(METHODS)))),
        (1, part("queryParams", named(&["id"], word(&["1", "2", ""], values)))),
        (1, part("authority", authority)),
        (1, part("port", of(PORTS))),
        (1, part("sourceLabels", named(&["app"], of(&["client", "nobody"])))),
        (1, part("sourceNamespace", of(&[NAMESPACE, OTHER]))),
        (1, part("gateways", some_of(&["mesh", "some/gateway"], "some/gateway"))),
        (1, part("scheme", named(&["exact"], of(&["http", "https"])))),
    ]);
    together(vec(parts, 1..=2))
}

/// A match of a text; empty: that there is one.
fn word(values: &'static [&'static str], patterns: &'static [&'static str]) -> Block {
    either(vec![
        (1, fields(vec![("exact", 100, of(values))])),
        (1, fields(vec![("prefix", 100, of(&["a", "ad", "1"]))])),
        (1, fields(vec![("regex", 100, of(patterns))])),
        (1, always(json!({}))),
    ])
}
