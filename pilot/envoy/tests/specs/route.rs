//! Routes: matches, destinations, retries, rewrites, redirects, faults, headers.

use super::given::{forward, reviews, route, routes, to, virtual_host};
use super::json::{at, json};
use mesh_model::{
    Abort, AbortCode, Delay, DirectResponse, Duration, Fault, HashKey, HeaderMatch, HeaderOperations,
    NamespacedName, PathMatch, Percent, Redirect, RedirectPath, RedirectPort, Retries, RetryOn, Rewrite,
    RewritePath, RouteHeaders, Str, StringMatch,
};
use pilot_envoy::{build_route_configuration, build_virtual_host};
use pilot_view::spec::{
    ActionSpec, CatchAll, ForwardSpec, RouteConfigurationSpec, RouteMatchSpec, RouteSpec,
};
use serde_json::{Value, json};

/// The JSON of one route.
fn built(spec: RouteSpec) -> Value {
    json(&build_virtual_host(&virtual_host("a:80", &["a"], vec![spec])))["routes"][0].clone()
}

fn forwarded(spec: ForwardSpec) -> Value {
    built(route(ActionSpec::Forward(spec)))["route"].clone()
}

#[test]
fn a_virtual_host_without_configuration() {
    assert_eq!(
        json(&build_virtual_host(&reviews())),
        json!({
            "name": "9080/reviews.shop.svc.cluster.local:9080",
            "domains": ["reviews.shop.svc.cluster.local", "reviews"],
            "include_request_attempt_count": true,
            "routes": [{
                "name": "default",
                "match": {"prefix": "/"},
                "route": {
                    "cluster": "outbound|9080||reviews.shop.svc.cluster.local",
                    "timeout": "0s",
                    "max_grpc_timeout": "0s",
                },
            }],
        })
    );
}

#[test]
fn unknown_hosts() {
    let vhds = RouteConfigurationSpec { vhds: true, ..routes(Vec::new()) };
    assert_eq!(
        json(&build_route_configuration(&vhds)),
        json!({
            "name": "9080",
            "validate_clusters": false,
            "max_direct_response_body_size_bytes": 1_048_576,
            "ignore_port_in_host_matching": true,
            "vhds": {"config_source": {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}},
            "virtual_hosts": [{
                "name": "allow_any",
                "domains": ["*"],
                "include_request_attempt_count": true,
                "routes": [{
                    "name": "allow_any",
                    "match": {"prefix": "/"},
                    "route": {"cluster": "PassthroughCluster", "timeout": "0s", "max_grpc_timeout": "0s"},
                }],
            }],
        })
    );
    let blocked = RouteConfigurationSpec { catch_all: CatchAll::BlockAll, ..routes(Vec::new()) };
    let blocked = json(&build_route_configuration(&blocked));
    assert_eq!(at(&blocked, "/virtual_hosts/0/routes/0/direct_response/status"), 502);
    let none = RouteConfigurationSpec { catch_all: CatchAll::None, ..routes(vec![reviews()]) };
    let none = json(&build_route_configuration(&none));
    assert_eq!(none["virtual_hosts"].as_array().unwrap().len(), 1);
    assert_eq!(at(&none, "/virtual_hosts/0/name"), "reviews.shop.svc.cluster.local:9080");
}

#[test]
fn matches() {
    let header = |name: &str, value, invert| HeaderMatch { name: name.into(), value, invert };
    let matches = RouteMatchSpec {
        path: Some(PathMatch::Regex("/v[12]/.*".into())),
        ignore_case: true,
        headers: vec![
            header("x-exact", StringMatch::Exact("1".into()), false),
            header("x-absent", StringMatch::Present, true),
            header("x-not", StringMatch::Regex("a|b".into()), true),
            header("x-any", StringMatch::Prefix("".into()), false),
        ],
        claims: vec![],
        query: vec![("q".into(), StringMatch::Prefix("p".into())), ("r".into(), StringMatch::Present)],
    };
    let spec = RouteSpec { matches, ..route(ActionSpec::Forward(forward(vec![to("c", 1)]))) };
    assert_eq!(
        built(spec)["match"],
        json!({
            "safe_regex": {"regex": "/v[12]/.*"},
            "case_sensitive": false,
            "headers": [
                {"name": "x-exact", "string_match": {"exact": "1"}},
                {"name": "x-absent", "present_match": true, "invert_match": true},
                {
                    "name": "x-not",
                    "string_match": {"safe_regex": {"regex": "a|b"}},
                    "invert_match": true,
                    "treat_missing_header_as_empty": true,
                },
                {"name": "x-any", "present_match": true},
            ],
            "query_parameters": [
                {"name": "q", "string_match": {"prefix": "p"}},
                {"name": "r", "present_match": true},
            ],
        })
    );
}

#[test]
fn destinations_are_weighed() {
    let mut canary = to("v2", 10);
    canary.headers.request.set = vec![("x-canary".into(), "1".into()), ("host".into(), "v2.example".into())];
    let action = forwarded(forward(vec![to("v1", 90), canary]));
    assert_eq!(
        action["weighted_clusters"]["clusters"],
        json!([
            {"name": "v1", "weight": 90},
            {
                "name": "v2",
                "weight": 10,
                "host_rewrite_literal": "v2.example",
                "request_headers_to_add": [{
                    "header": {"key": "x-canary", "value": "1"},
                    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
                }],
            },
        ])
    );
}

#[test]
fn headers_of_a_single_destination_follow_the_routes() {
    let pair = |name: &str, value: &str| (Str::from(name), Str::from(value));
    let mut only = to("v1", 1);
    only.headers.request.add = vec![pair("x-a", "2"), pair(":authority", "narrow.example")];
    only.headers.response.remove = vec!["x-b".into(), ":status".into()];
    let headers = RouteHeaders {
        request: HeaderOperations {
            set: vec![pair("Host", "wide.example"), pair("x-a", "1")],
            ..Default::default()
        },
        response: HeaderOperations::default(),
    };
    let built = built(RouteSpec { headers, ..route(ActionSpec::Forward(forward(vec![only]))) });
    assert_eq!(at(&built, "/route/host_rewrite_literal"), "wide.example");
    let added: Vec<_> = built["request_headers_to_add"]
        .as_array()
        .unwrap()
        .iter()
        .map(|option| {
            (
                option["header"]["value"].as_str().unwrap(),
                option["append_action"].as_str().unwrap_or("APPEND"),
            )
        })
        .collect();
    assert_eq!(added, [("1", "OVERWRITE_IF_EXISTS_OR_ADD"), ("2", "APPEND")]);
    assert_eq!(built["response_headers_to_remove"], json!(["x-b"]));
}

#[test]
fn retries() {
    let default = forwarded(ForwardSpec { retries: Some(Retries::default()), ..forward(vec![to("c", 1)]) });
    assert_eq!(
        default["retry_policy"],
        json!({
            "retry_on": "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
            "num_retries": 2,
            "host_selection_retry_max_attempts": "5",
            "retry_host_predicate": [{
                "name": "envoy.retry_host_predicates.previous_hosts",
                "typed_config": {"@type":
                    "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"},
            }],
        })
    );
    let custom = Retries {
        attempts: 3,
        per_try_timeout: Some(Duration::from_secs(2)),
        on: RetryOn { conditions: "5xx".into(), status_codes: vec![409] },
        remote_localities: true,
        ignore_previous_hosts: true,
        backoff: Some(Duration::from_millis(25)),
    };
    let hash = vec![HashKey::Cookie {
        name: "user".into(),
        path: "/".into(),
        ttl: Some(Duration::ZERO),
        attributes: vec![("SameSite".into(), "Lax".into())],
    }];
    let custom = forwarded(ForwardSpec { retries: Some(custom), hash, ..forward(vec![to("c", 1)]) });
    assert_eq!(
        custom["hash_policy"],
        json!([{"cookie": {
            "name": "user", "path": "/", "ttl": "0s", "attributes": [{"name": "SameSite", "value": "Lax"}],
        }}])
    );
    let policy = &custom["retry_policy"];
    assert_eq!(policy["retry_on"], "5xx,retriable-status-codes");
    assert_eq!(policy["retriable_status_codes"], json!([409]));
    assert_eq!(policy["retry_host_predicate"], Value::Null, "a hash is meant to hit the same host");
    assert_eq!(policy["retry_back_off"], json!({"base_interval": "0.025s"}));
    assert_eq!(at(policy, "/retry_priority/typed_config/update_frequency"), 2);

    let none = Retries { attempts: 0, ..Retries::default() };
    let none = forwarded(ForwardSpec { retries: Some(none), ..forward(vec![to("c", 1)]) });
    assert_eq!(none["retry_policy"], Value::Null);
}

#[test]
fn rewrites_and_time_limits() {
    let rewrite = |path, authority: &str| {
        let rewrite = Some(Rewrite { path: Some(path), authority: authority.into() });
        let timeout = Some(Duration::from_millis(500));
        forwarded(ForwardSpec { rewrite, timeout, ..forward(vec![to("c", 1)]) })
    };
    let matched = rewrite(RewritePath::Matched("/v2".into()), "b.example");
    assert_eq!(matched["prefix_rewrite"], "/v2");
    assert_eq!(matched["host_rewrite_literal"], "b.example");
    assert_eq!(matched["timeout"], "0.500s");
    assert_eq!(matched["max_grpc_timeout"], "0.500s");
    let pattern = RewritePath::Regex { pattern: "^/v1/(.*)$".into(), substitution: r"/v2/\1".into() };
    assert_eq!(
        rewrite(pattern, "")["regex_rewrite"],
        json!({"pattern": {"regex": "^/v1/(.*)$"}, "substitution": r"/v2/\1"})
    );
}

#[test]
fn redirects() {
    let redirect = |port, scheme: &str| {
        let spec = Redirect {
            path: Some(RedirectPath::Full("/new".into())),
            authority: "b.example".into(),
            port,
            scheme: scheme.into(),
            code: 308,
        };
        built(route(ActionSpec::Redirect(spec)))["redirect"].clone()
    };
    assert_eq!(
        redirect(Some(RedirectPort::Number(8443)), "https"),
        json!({
            "host_redirect": "b.example",
            "path_redirect": "/new",
            "port_redirect": 8443,
            "scheme_redirect": "https",
            "response_code": "PERMANENT_REDIRECT",
        })
    );
    for (port, scheme) in [
        (RedirectPort::Number(443), "https"),
        (RedirectPort::Number(80), ""),
        (RedirectPort::FromProtocolDefault, "http"),
    ] {
        assert_eq!(redirect(Some(port), scheme)["port_redirect"], Value::Null);
    }
}

#[test]
fn direct_responses() {
    let respond = |body: &[u8]| {
        let spec = DirectResponse { status: 503, body: body.into() };
        built(route(ActionSpec::DirectResponse(spec)))["direct_response"].clone()
    };
    assert_eq!(respond(b"gone"), json!({"status": 503, "body": {"inline_string": "gone"}}));
    assert_eq!(respond(b"\xff"), json!({"status": 503, "body": {"inline_bytes": "/w=="}}));
    assert_eq!(respond(b""), json!({"status": 503}));
}

#[test]
fn faults_and_what_tells_where_a_route_comes_from() {
    let percent = Percent::from_f64(0.1).unwrap();
    let fault = Fault {
        delay: Some(Delay { fixed: Duration::from_secs(5), percent }),
        abort: Some(Abort { code: AbortCode::Http(400), percent: Percent::ALL }),
    };
    let built = built(RouteSpec {
        fault: Some(fault),
        operation: "a:80/*".into(),
        stat_prefix: "api".into(),
        config: Some(NamespacedName::new("shop", "reviews")),
        ..route(ActionSpec::Forward(forward(vec![to("c", 1)])))
    });
    assert_eq!(
        built["typed_per_filter_config"]["envoy.filters.http.fault"],
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "delay": {
                "fixed_delay": "5s",
                "percentage": {"numerator": 1000, "denominator": "MILLION"},
            },
            "abort": {
                "http_status": 400,
                "percentage": {"numerator": 1_000_000, "denominator": "MILLION"},
            },
        })
    );
    assert_eq!(at(&built, "/decorator/operation"), "a:80/*");
    assert_eq!(built["stat_prefix"], "api");
    assert_eq!(
        at(&built, "/metadata/filter_metadata/istio/config"),
        "/apis/networking.istio.io/v1/namespaces/shop/virtual-service/reviews"
    );
}
