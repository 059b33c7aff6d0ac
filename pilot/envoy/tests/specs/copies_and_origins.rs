//! Routes: copies of requests, and cross-origin policies.

use super::given::{forward, route, to, virtual_host};
use super::json::json;
use mesh_model::{Cors, Duration, Percent, StringMatch};
use pilot_envoy::build_virtual_host;
use pilot_view::spec::{ActionSpec, ForwardSpec, MirrorSpec, RouteSpec};
use serde_json::{Value, json};

fn built(spec: RouteSpec) -> Value {
    json(&build_virtual_host(&virtual_host("a:80", &["a"], vec![spec])))["routes"][0].clone()
}

#[test]
fn mirrors() {
    let percent = Percent::from_f64(0.5).unwrap();
    let mirrors = vec![MirrorSpec { cluster: "copy".into(), percent }];
    let built = built(route(ActionSpec::Forward(ForwardSpec { mirrors, ..forward(vec![to("c", 1)]) })));
    assert_eq!(
        built["route"]["request_mirror_policies"],
        json!([{
            "cluster": "copy",
            "runtime_fraction": {"default_value": {"numerator": 5000, "denominator": "MILLION"}},
            "trace_sampled": false,
            "disable_shadow_host_suffix_append": true,
        }])
    );
}

#[test]
fn cross_origin_policies() {
    let cors = Cors {
        allow_origins: vec![StringMatch::Exact("*".into()), StringMatch::Prefix("https://a.".into())],
        allow_methods: vec!["GET".into(), "POST".into()],
        allow_headers: vec!["x-user".into()],
        expose_headers: vec![],
        max_age: Some(Duration::from_millis(90_500)),
        allow_credentials: Some(false),
        forward_unmatched_preflights: false,
    };
    let built =
        built(RouteSpec { cors: Some(cors), ..route(ActionSpec::Forward(forward(vec![to("c", 1)]))) });
    assert_eq!(
        built["typed_per_filter_config"]["envoy.filters.http.cors"],
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
            "allow_origin_string_match": [{"exact": "*"}, {"prefix": "https://a."}],
            "allow_methods": "GET,POST",
            "allow_headers": "x-user",
            "max_age": "90",
            "allow_credentials": false,
            "filter_enabled": {"default_value": {"numerator": 1_000_000, "denominator": "MILLION"}},
            "forward_not_matching_preflights": false,
        })
    );
}
