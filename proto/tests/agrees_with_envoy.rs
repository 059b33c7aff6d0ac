//! What is said here of a configuration, an Envoy says too.
//!
//! Each case is one change to a bootstrap that is right. Envoy reads it with `--mode validate`; it must accept what has
//! no violation and reject what has one.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use std::path::Path;
use std::process::Command;

use mesh_proto::{json, validate};
use serde_json::{Value, json};

const BOOTSTRAP: &str = "type.googleapis.com/envoy.config.bootstrap.v3.Bootstrap";

const MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

const ROUTER: &str = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";

const ROUTE: &str = "/static_resources/listeners/0/filter_chains/0/filters/0/typed_config/route_config";

fn bootstrap() -> Value {
    json!({
        "static_resources": {
            "clusters": [{"name": "a", "connect_timeout": "1s"}],
            "listeners": [{
                "name": "l",
                "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
                "filter_chains": [{"filters": [{"name": "hcm", "typed_config": {
                    "@type": MANAGER,
                    "stat_prefix": "p",
                    "http_filters": [{"name": "router", "typed_config": {"@type": ROUTER}}],
                    "route_config": {
                        "name": "r",
                        "request_headers_to_add": [{"header": {"key": "x-a", "value": "b"}}],
                        "virtual_hosts": [{
                            "name": "v",
                            "domains": ["*"],
                            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "a"}}]
                        }]
                    }
                }}]}]
            }]
        }
    })
}

/// Where the bootstrap is changed, and to what; whether it is then still right.
fn cases() -> Vec<(String, Value, bool)> {
    let cluster = "/static_resources/clusters/0";
    let manager = ROUTE.trim_end_matches("/route_config");
    let at = |base: &str, path: &str| format!("{base}{path}");
    vec![
        (cluster.to_owned(), json!({"name": "a", "connect_timeout": "0.001s"}), true),
        (cluster.to_owned(), json!({"name": "a", "connect_timeout": "0s"}), false),
        (cluster.to_owned(), json!({"name": ""}), false),
        (cluster.to_owned(), json!({"name": "a", "outlier_detection": {"max_ejection_percent": 100}}), true),
        (cluster.to_owned(), json!({"name": "a", "outlier_detection": {"max_ejection_percent": 101}}), false),
        (cluster.to_owned(), json!({"name": "a", "lb_policy": "RING_HASH", "ring_hash_lb_config": {}}), true),
        (
            cluster.to_owned(),
            json!({"name": "a", "lb_policy": "RING_HASH", "ring_hash_lb_config": {"maximum_ring_size": 9_000_000}}),
            false,
        ),
        (at(manager, "/stat_prefix"), json!(""), false),
        (at(ROUTE, "/name"), json!(""), true),
        (at(ROUTE, "/virtual_hosts/0/domains"), json!([]), false),
        (at(ROUTE, "/virtual_hosts/0/routes/0/route"), json!({"cluster": ""}), false),
        (at(ROUTE, "/virtual_hosts/0/routes/0/route"), json!({"weighted_clusters": {"clusters": []}}), false),
        (
            at(ROUTE, "/virtual_hosts/0/routes/0/match"),
            json!({"prefix": "/", "headers": [{"name": "x"}]}),
            true,
        ),
        (
            at(ROUTE, "/virtual_hosts/0/routes/0/match"),
            json!({"prefix": "/", "headers": [{"name": ""}]}),
            false,
        ),
        (at(ROUTE, "/virtual_hosts/0/routes/0/match"), json!({}), false),
        (at(ROUTE, "/request_headers_to_add/0/header/key"), json!("x a"), true),
        (at(ROUTE, "/request_headers_to_add/0/header/key"), json!("x\na"), false),
        (at(ROUTE, "/request_headers_to_add/0/header/value"), json!("b\r\nc"), false),
    ]
}

fn envoy_accepts(envoy: &Path, bootstrap: &Value) -> bool {
    let config = bootstrap.to_string();
    let arguments =
        ["--mode", "validate", "--log-level", "off", "--concurrency", "1", "--config-yaml", &config];
    Command::new(envoy).args(arguments).output().unwrap().status.success()
}

#[test]
fn envoy_rejects_what_breaks_a_rule_and_accepts_the_rest() {
    let Some(envoy) = mesh_testkit::Envoy::binary() else { return };
    assert!(envoy_accepts(&envoy, &bootstrap()), "the bootstrap itself is right");
    for (path, value, is_right) in cases() {
        let mut changed = bootstrap();
        *changed.pointer_mut(&path).unwrap() = value.clone();
        let violations =
            validate::validate(BOOTSTRAP, &json::from_json(BOOTSTRAP, &changed).unwrap()).unwrap();
        assert_eq!(violations.is_empty(), is_right, "{path} = {value}: {violations:?}");
        assert_eq!(envoy_accepts(&envoy, &changed), is_right, "{path} = {value}: Envoy does not agree");
    }
}
