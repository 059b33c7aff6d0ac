//! Endpoints: localities, weights, health, metadata, sockets.

use super::given::{endpoint, ip};
use super::json::json;
use mesh_model::{Endpoint, EndpointAddress, Health, Labels, Locality, Str};
use pilot_envoy::build_endpoints;
use pilot_view::spec::{EndpointsSpec, Preference};
use serde_json::{Value, json};
use std::sync::Arc;

fn built(endpoints: Vec<Endpoint>) -> Value {
    json(&build_endpoints(&EndpointsSpec {
        cluster: "c".into(),
        endpoints: endpoints.into(),
        preference: Preference::None,
    }))
}

#[test]
fn localities_are_sorted_and_weighed() {
    let in_zone = |zone: &str, last, weight| Endpoint {
        locality: Locality::parse(&format!("eu/{zone}")),
        weight,
        ..endpoint(ip(last))
    };
    let built = built(vec![in_zone("b", 1, 3), in_zone("a", 2, 1), in_zone("b", 3, 0)]);
    let summary: Vec<_> = built["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            let hosts = group["lb_endpoints"].as_array().unwrap().len();
            (group["locality"]["zone"].clone(), group["load_balancing_weight"].clone(), hosts)
        })
        .collect();
    assert_eq!(summary, [(json!("a"), json!(1), 1), (json!("b"), json!(4), 2)]);
}

#[test]
fn one_endpoint_in_full() {
    let labels: Labels = [("app", "reviews"), ("version", "v1"), ("pod-template-hash", "5d9")]
        .map(|(key, value)| (Str::from(key), Str::from(value)))
        .into();
    let endpoint = Endpoint {
        labels: Arc::new(labels),
        workload: "reviews-v1-5d9-abcde".into(),
        mtls: true,
        health: Health::Draining,
        ..endpoint(ip(1))
    };
    assert_eq!(
        built(vec![endpoint])["endpoints"][0]["lb_endpoints"][0],
        json!({
            "endpoint": {"address": {"socket_address": {"address": "10.0.0.1", "port_value": 9080}}},
            "health_status": "DRAINING",
            "load_balancing_weight": 1,
            "metadata": {"filter_metadata": {
                "envoy.transport_socket_match": {"tlsMode": "istio"},
                "istio": {"workload": "reviews-v1;shop;reviews;v1;"},
            }},
        })
    );
}

#[test]
fn sockets_and_nothing() {
    let socket = endpoint(EndpointAddress::Unix("/run/app.sock".into()));
    let host = built(vec![socket])["endpoints"][0]["lb_endpoints"][0]["endpoint"].clone();
    assert_eq!(host, json!({"address": {"pipe": {"path": "/run/app.sock"}}}));
    assert_eq!(built(Vec::new()), json!({"cluster_name": "c"}));
}
