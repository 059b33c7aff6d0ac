//! What Istio's API server accepts is decoded; the rest is refused with its path.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use mesh_api::networking::service_entry::{Location, Resolution};
use mesh_api::networking::traffic_policy::SimpleLb;
use mesh_api::{DestinationRule, Duration, ServiceEntry, Sidecar, VirtualService, WorkloadGroup, decode};
use serde_json::{Value, json};

fn object(version: &str, kind: &str, spec: Value) -> Value {
    json!({
        "apiVersion": format!("networking.istio.io/{version}"),
        "kind": kind,
        "metadata": { "name": "a", "namespace": "default" },
        "spec": spec,
    })
}

#[test]
fn every_served_version_is_read() {
    for version in ["v1", "v1beta1", "v1alpha3"] {
        let read: VirtualService =
            decode(object(version, "VirtualService", json!({ "hosts": ["reviews"] }))).unwrap();
        assert_eq!(read.spec.hosts, ["reviews"]);
    }
}

#[test]
fn a_virtual_service_is_read() {
    let read: VirtualService = decode(object(
        "v1",
        "VirtualService",
        json!({
            "hosts": ["reviews"],
            "http": [{
                "match": [{ "uri": { "prefix": "/a" }, "headers": { "x-id": {} }, "port": 80 }],
                "timeout": "1.5s",
                "fault": { "delay": { "fixedDelay": "100ms", "percentage": { "value": 0.5 } } },
                "mirror_percent": 5,
                "route": [{ "destination": { "host": "reviews", "port": { "number": 80 } }, "weight": 100 }],
                "corsPolicy": { "unmatchedPreflights": "IGNORE", "maxAge": "24h" },
                "directResponse": { "status": 503, "body": { "bytes": "aGk=" } },
            }],
        }),
    ))
    .unwrap();
    let route = &read.spec.http[0];
    assert_eq!(route.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(route.matches[0].uri.as_ref().unwrap().prefix.as_deref(), Some("/a"));
    assert_eq!(route.mirror_percent_snake_case, Some(5));
    let body = route.direct_response.as_ref().unwrap().body.as_ref().unwrap();
    assert_eq!(body.bytes.as_ref().unwrap().0, b"hi");
}

#[test]
fn what_is_read_is_written_the_same() {
    let spec = json!({
        "host": "reviews",
        "trafficPolicy": {
            "loadBalancer": { "simple": "ROUND_ROBIN", "warmup": { "duration": "30s", "aggression": 1.5 } },
            "connectionPool": { "http": { "http1MaxPendingRequests": 1, "h2UpgradePolicy": "DO_NOT_UPGRADE" } },
            "outlierDetection": { "consecutive5xxErrors": 7 },
        },
        "subsets": [{ "name": "v1", "labels": { "version": "v1" } }],
        "workloadSelector": { "matchLabels": { "app": "a" } },
    });
    let original = object("v1", "DestinationRule", spec);
    let read: DestinationRule = decode(original.clone()).unwrap();
    let policy = read.spec.traffic_policy.as_ref().unwrap();
    assert_eq!(policy.load_balancer.as_ref().unwrap().simple, Some(SimpleLb::RoundRobin));
    assert_eq!(serde_json::to_value(&read).unwrap(), original);
}

#[test]
fn whole_numbers_may_have_decimals() {
    let spec = json!({ "hosts": ["a.example"], "ports": [{ "number": 80.0, "name": "http" }] });
    let read: ServiceEntry = decode(object("v1", "ServiceEntry", spec)).unwrap();
    assert_eq!(read.spec.ports[0].number, 80);
}

#[test]
fn nulls_count_as_missing() {
    let read: Sidecar = decode(object(
        "v1",
        "Sidecar",
        json!({ "egress": [{ "hosts": ["./*"], "port": null }], "ingress": null, "workloadSelector": null }),
    ))
    .unwrap();
    assert!(read.spec.ingress.is_empty());
    assert_eq!(read.spec.egress[0].port, None);
}

#[test]
fn a_spec_may_be_missing_where_nothing_in_it_is_required() {
    let without =
        |kind: &str| json!({ "apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {} });
    assert!(decode::<Sidecar>(without("Sidecar")).is_ok());
    assert!(decode::<VirtualService>(without("VirtualService")).is_ok());
    let error = decode::<ServiceEntry>(without("ServiceEntry")).unwrap_err();
    assert_eq!(error.to_string(), "spec: missing field `hosts`");
}

#[test]
fn status_of_either_spelling_is_read() {
    let mut group = object("v1", "WorkloadGroup", json!({ "template": {} }));
    for generation in [json!(3), json!("3")] {
        group["status"] =
            json!({ "observedGeneration": generation, "conditions": [{ "type": "A", "status": "True" }] });
        let read: WorkloadGroup = decode(group.clone()).unwrap();
        assert_eq!(read.status.unwrap().observed_generation.unwrap().0, 3);
    }
}

#[test]
fn errors_say_where_and_what() {
    let entry =
        |spec: Value| decode::<ServiceEntry>(object("v1", "ServiceEntry", spec)).unwrap_err().to_string();
    assert_eq!(
        entry(json!({ "hosts": ["a.example"], "location": "MESH_INTERNET" })),
        "spec.location: unknown variant `MESH_INTERNET`, expected `MESH_EXTERNAL` or `MESH_INTERNAL`"
    );
    assert_eq!(
        entry(json!({ "hosts": ["a.example"], "ports": [{ "name": "http", "number": "80" }] })),
        "spec.ports[0].number: invalid type: string \"80\", expected u32"
    );
    let route = json!({ "http": [{ "timeout": "5" }] });
    let error = decode::<VirtualService>(object("v1", "VirtualService", route)).unwrap_err().to_string();
    assert!(error.starts_with("spec.http[0].timeout: `5` is not a duration: the unit is missing"), "{error}");
}

#[test]
fn enums_have_istios_names() {
    let spec =
        json!({ "hosts": ["*.example.com"], "location": "MESH_EXTERNAL", "resolution": "DYNAMIC_DNS" });
    let read: ServiceEntry = decode(object("v1", "ServiceEntry", spec)).unwrap();
    assert_eq!(read.spec.location, Some(Location::MeshExternal));
    assert_eq!(read.spec.resolution, Some(Resolution::DynamicDns));
}
