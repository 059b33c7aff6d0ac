//! Expressions of which an Envoy says what is said here: some by hand, and random ones.

use super::*;
use crate::values::log_fault;
use mesh_testkit::envoy;
use serde_json::json;

const GOOD: &[&str] = &[
    "request.headers['x-a']",
    "request.headers[\"a\\\"b\"].size() > 0 ? 'x' : 'y'",
    "request.path.startsWith('/a') && !has(request.headers.a) || !!(request.size >= 10)",
    "request.method in ['GET', 'POST']",
    "re.extract(request.path, r'/(\\d+)', '\\\\1')",
    "request.path.matches('^/a(b|c)') ? 1 : response.code % 100 == 4 ? -1 : 1.5",
    "matches(request.path, ('a')) == (- -1 <= 2 - 1)",
    "int(request.duration.getMilliseconds()) * 2 + size(request.path) / 3",
    "type(metadata.filter_metadata['a'].b) != null",
    "has((request.headers.a)) ? [] : request.headers",
    "'\\n\\t\\'' + \"it's\" + ''",
];
const BAD: &[&str] = &[
    "",
    "a b",
    "request.path request.path",
    "request.path.matches('(')",
    "matches(request.path, ('('))",
    "foo(1)",
    "request.path.foo()",
    "request.path.size(1)",
    "size(1, 2)",
    "string(1)",
    "has(request)",
    "has(request.headers['a'])",
    "has(-request.size)",
    "[1, 2].exists(x, x > 1)",
    "Foo{a: 1}",
    "99999999999999999999",
    "1 +",
    "(1",
    "[1",
    "'abc",
    "'a\\d'",
    "'''a'''",
    "'a' 'b'",
    "1 == 1 ? true ? 1 : 2 : 5",
    "-!true",
    "request.in",
    "in",
    "1x",
    "1 ? 2",
    "request..path",
];

#[test]
fn what_envoy_refuses_is_refused() {
    for bad in BAD {
        assert!(cel_fault(bad).is_some(), "{bad}");
    }
    let deep = format!("{}1{}", "(".repeat(40), ")".repeat(40));
    assert!(cel_fault(&deep).is_some());
}

#[tokio::test]
async fn what_is_let_through_envoy_takes() {
    let mut expressions: Vec<String> = GOOD.iter().map(ToString::to_string).collect();
    for good in &expressions {
        assert_eq!(cel_fault(good), None, "{good}");
    }
    let mut random = Random(1);
    while expressions.len() < 1000 {
        let text = random.text();
        // With `)%` in it a command ends early.
        if log_fault(&format!("%CEL({text})%")).is_none() && !expressions.contains(&text) {
            expressions.push(text);
        }
    }
    let refused = envoy::validate(&bootstrap(&expressions)).await.err();
    assert!(refused.is_none(), "{refused:?}");
}

const TOKENS: &[&str] = &[
    "request",
    "connection",
    ".path",
    ".headers",
    "['a']",
    "'a'",
    "r'\\d'",
    "\"b\"",
    "1",
    "2.5",
    "true",
    "null",
    "!",
    "-",
    "(",
    ")",
    "[",
    "]",
    ",",
    " in ",
    "+",
    "%",
    "==",
    "<",
    "&&",
    "||",
    "?",
    ":",
    "size(",
    ".size()",
    ".startsWith(",
    "matches(",
    "has(",
    "int(",
    "re.extract(",
    ".x",
    " ",
];

/// Tokens one after the other; the same ones in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn text(&mut self) -> String {
        let length = 1 + self.below(9);
        (0..length).map(|_| TOKENS[self.below(TOKENS.len())]).collect()
    }
}

fn bootstrap(expressions: &[String]) -> String {
    let lines: Vec<String> = expressions.iter().map(|text| format!("%CEL({text})%")).collect();
    let log = json!({
        "name": "file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
            "log_format": { "json_format": { "lines": lines } },
        },
    });
    let text = json!({
        "name": "file",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
            "path": "/dev/null",
            "log_format": { "text_format_source": { "inline_string": lines.join(" ") } },
        },
    });
    let proxy = json!({
        "name": "tcp",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "log",
            "cluster": "nowhere",
            "access_log": [log, text],
        },
    });
    let address = json!({ "socket_address": { "address": "127.0.0.1", "port_value": 0 } });
    let listener = json!({ "name": "l", "address": address, "filter_chains": [{ "filters": [proxy] }] });
    let cluster = json!({ "name": "nowhere", "type": "STATIC" });
    json!({ "static_resources": { "listeners": [listener], "clusters": [cluster] } }).to_string()
}
