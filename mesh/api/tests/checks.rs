//! Objects are checked against the schema before they have a type: unknown fields and wrong values.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use mesh_api::{Kind, TypeError, as_stored, check_types, unknown_fields};
use proptest::prelude::*;
use serde_json::{Value, json};

fn unknown(kind: Kind, object: &Value) -> Vec<String> {
    let mut lines: Vec<String> = unknown_fields(kind, object).iter().map(|field| field.to_string()).collect();
    lines.sort();
    lines
}

fn wrong(kind: Kind, spec: Value) -> String {
    let found = check_types(kind, &json!({ "spec": spec }));
    let mut lines: Vec<String> = found.iter().map(|error| format!("{error}\n")).collect();
    // Objects keep their order or not, depending on how serde_json is built.
    lines.sort();
    lines.concat()
}

#[test]
fn unknown_fields_have_paths_and_suggestions() {
    let object = json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": { "name": "a", "lables": {} },
        "spce": {},
        "spec": {
            "hosts": ["a"],
            "http": [
                { "rout": [], "match": [{ "headers": { "anything": { "exat": "a" }, "x.y": { "exact": "a" } } }] },
                { "route": [{ "destination": { "host": "a", "portt": 1 } }], "mirror_percent": 1 },
            ],
        },
        "status": { "anything": true },
    });
    assert_eq!(
        unknown(Kind::VirtualService, &object),
        [
            "metadata.lables: unknown field; did you mean labels?",
            "spce: unknown field; did you mean spec?",
            "spec.http[0].match[0].headers.anything.exat: unknown field; did you mean exact?",
            "spec.http[0].rout: unknown field; did you mean route?",
            "spec.http[1].route[0].destination.portt: unknown field; did you mean port?",
        ]
    );
}

#[test]
fn a_name_of_another_place_is_shown_in_quotes() {
    let object = json!({ "spec": { "host": "a", "a b\n": 1 } });
    assert_eq!(unknown(Kind::DestinationRule, &object), ["spec[\"a b\\n\"]: unknown field"]);
}

#[test]
fn a_field_in_the_wrong_place_is_sent_where_it_belongs() {
    let object = json!({ "spec": { "host": "a", "maxConnections": 1, "mode": "SIMPLE", "port": 1 } });
    assert_eq!(
        unknown(Kind::DestinationRule, &object),
        [
            "spec.maxConnections: unknown field; it belongs to spec.trafficPolicy.connectionPool.tcp.maxConnections \
             or spec.subsets[].trafficPolicy.connectionPool.tcp.maxConnections \
             or spec.trafficPolicy.portLevelSettings[].connectionPool.tcp.maxConnections",
            "spec.mode: unknown field; it belongs to spec.trafficPolicy.tls.mode \
             or spec.subsets[].trafficPolicy.tls.mode or spec.trafficPolicy.portLevelSettings[].tls.mode",
            "spec.port: unknown field; it belongs to spec.trafficPolicy.portLevelSettings[].port \
             or spec.subsets[].trafficPolicy.portLevelSettings[].port",
        ]
    );
}

#[test]
fn enum_values_are_named_nearest_first() {
    let found = check_types(
        Kind::ServiceEntry,
        &json!({ "spec": { "hosts": ["a.example"], "location": "MESH_INTERNET" } }),
    );
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].path, "spec.location");
    assert_eq!(found[0].allowed, ["MESH_INTERNAL", "MESH_EXTERNAL"]);
    assert_eq!(found[0].hint, "write MESH_INTERNAL or MESH_EXTERNAL");
    assert_eq!(found[0].found, "\"MESH_INTERNET\"");
}

#[test]
fn wrong_values_say_what_to_write() {
    let virtual_service = json!({
        "hosts": "reviews",
        "gateways": null,
        "http": [
            { "timeout": 5, "retries": { "attempts": "3", "perTryTimeout": "0s", "backoff": "1 s" } },
            { "match": { "uri": "/a" }, "route": [{ "weight": 1.5 }, null] },
            { "match": [{ "uri": { "exact": "a", "prefix": "b" }, "port": -1, "ignoreUriCase": "true" }] },
            { "headers": { "request": { "set": { "x": 1 } } }, "fault": { "abort": { "httpStatus": 5e9 } } },
        ],
    });
    assert_eq!(
        wrong(Kind::VirtualService, virtual_service),
        "\
spec.hosts: expected a list, found \"reviews\"; write a list: each item on a line of its own that starts with `- `
spec.http[0].retries.attempts: expected a whole number, found \"3\"; write it without quotes: 3
spec.http[0].retries.backoff: expected a duration, found \"1 s\"; `1 s` is not a duration: the unit is not one of \
ns, us, ms, s, m, h; write a number with a unit, such as 5s, 100ms, 1.5s or 1h30m
spec.http[0].retries.perTryTimeout: expected a duration of at least 1ms, found \"0s\"; leave the field out to not set it
spec.http[0].timeout: expected a duration, found 5; add the unit: 5s or 5ms
spec.http[1].match: expected a list, found an object; write a list: each item on a line of its own that starts with `- `
spec.http[1].route[0].destination: expected an object, found nothing; destination is required
spec.http[1].route[0].weight: expected a whole number, found 1.5; write 1
spec.http[1].route[1]: expected an object, found null; its fields are destination, headers, weight
spec.http[2].match[0].ignoreUriCase: expected true or false, found \"true\"; write it without quotes: true
spec.http[2].match[0].port: expected a number from 0 to 4294967295, found -1
spec.http[2].match[0].uri: expected at most one of exact, prefix, regex, found exact and prefix; keep one of exact and prefix
spec.http[3].fault.abort.httpStatus: expected a number from 0 to 2147483647, found 5000000000.0
spec.http[3].headers.request.set.x: expected a string, found 1; put it in quotes: \"1\"
"
    );
}

#[test]
fn ports_and_sizes_are_bounded() {
    let entry = json!({
        "hosts": [],
        "addresses": ["x".repeat(65)],
        "ports": [{ "number": 0, "name": "a" }, { "number": 65536, "name": "b" }, { "number": 80 }],
    });
    assert_eq!(
        wrong(Kind::ServiceEntry, entry),
        format!(
            "\
spec.addresses[0]: expected at most 64 characters, found \"{}…\"
spec.hosts: expected at least 1 item, found 0
spec.ports[0].number: expected a number from 1 to 65535, found 0
spec.ports[1].number: expected a number from 1 to 65535, found 65536
spec.ports[2].name: expected a string, found nothing; name is required
",
            "x".repeat(60)
        )
    );
}

#[test]
fn what_cel_forbids_is_found_without_an_api_server() {
    let entry = json!({
        "hosts": ["*", "a.example"],
        "addresses": ["10.0.0.0/8"],
        "resolution": "DNS",
        "ports": [{ "number": 80, "name": "a" }, { "number": 80, "name": "a" }],
        "endpoints": [{ "address": "unix://a/", "ports": { "a": 1, "-": 2 } }, { "labels": {} }],
        "workloadSelector": { "labels": { "app": "*" } },
    });
    assert_eq!(
        wrong(Kind::ServiceEntry, entry),
        "\
spec.endpoints[0].address: expected the path of a socket, which does not end in /, found \"unix://a/\"
spec.endpoints[0].address: expected unix:///PATH or unix://@NAME, found \"unix://a/\"
spec.endpoints[0].ports: expected port names of letters, digits and inner `-`, shorter than 63, found -, a
spec.endpoints[0]: expected no ports with a unix:// address, found address, ports
spec.endpoints[1]: expected an address, or a network to use the gateway of, found labels
spec.hosts[0]: expected a host; a wildcard needs a domain, such as *.example.com, found \"*\"
spec.ports: expected ports with different numbers, found a list of 2
spec.ports[1].name: expected a name that no other item has, found \"a\"
spec.workloadSelector.labels.app: expected a label without `*`, found \"*\"
spec: expected addresses without CIDR ranges, or resolution NONE or STATIC, found addresses, endpoints, hosts, ports, resolution, workloadSelector
spec: expected at most one of workloadSelector and endpoints, found addresses, endpoints, hosts, ports, resolution, workloadSelector
"
    );
    let probe = json!({ "httpGet": { "port": 80, "scheme": "FTP", "httpHeaders": [{ "name": "a:b" }] } });
    assert_eq!(
        wrong(Kind::WorkloadGroup, json!({ "template": {}, "probe": probe })),
        "\
spec.probe.httpGet.httpHeaders[0].name: expected text that matches ^[-_A-Za-z0-9]+$, found \"a:b\"
spec.probe.httpGet.scheme: expected HTTP or HTTPS, found \"FTP\"
"
    );
}

#[test]
fn a_missing_spec_lacks_what_is_required() {
    let found = check_types(Kind::DestinationRule, &json!({ "kind": "DestinationRule" }));
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "spec.host: expected a string, found nothing; host is required");
    assert!(check_types(Kind::Sidecar, &json!({})).is_empty());
}

#[test]
fn what_stands_nowhere_near_an_object_is_no_panic() {
    for value in
        [json!(null), json!([]), json!("x"), json!({ "spec": [] }), json!({ "spec": 1, "metadata": 2 })]
    {
        for kind in Kind::ALL {
            unknown_fields(kind, &value);
            check_types(kind, &value);
        }
    }
}

/// JSON that uses the API's own names often enough to get deep into the schemas.
fn any_json() -> impl Strategy<Value = Value> {
    let name = prop_oneof![
        prop::sample::select(vec![
            "http",
            "match",
            "uri",
            "exact",
            "route",
            "destination",
            "host",
            "port",
            "number",
            "hosts",
            "ports",
            "subsets",
            "trafficPolicy",
            "loadBalancer",
            "simple",
            "tls",
            "mode",
            "egress",
            "template",
            "timeout",
            "location",
            "endpoints",
            "headers",
            "outlierDetection",
            "interval",
            "probe",
            "weight",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[0-9.]{0,6}(ms|s|h|µs)?".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((name.clone(), inner), 0..6)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_panics_and_what_has_no_wrong_value_decodes(spec in any_json()) {
        for kind in Kind::ALL {
            let mut object = json!({ "metadata": { "name": "a" }, "spec": spec });
            unknown_fields(kind, &object);
            let wrong = check_types(kind, &object);
            let decoded = match kind {
                Kind::VirtualService => mesh_api::decode::<mesh_api::VirtualService>(object.clone()).err(),
                Kind::DestinationRule => mesh_api::decode::<mesh_api::DestinationRule>(object.clone()).err(),
                Kind::ServiceEntry => mesh_api::decode::<mesh_api::ServiceEntry>(object.clone()).err(),
                Kind::WorkloadEntry => mesh_api::decode::<mesh_api::WorkloadEntry>(object.clone()).err(),
                Kind::WorkloadGroup => mesh_api::decode::<mesh_api::WorkloadGroup>(object.clone()).err(),
                Kind::Sidecar => mesh_api::decode::<mesh_api::Sidecar>(object.clone()).err(),
                Kind::ProxyConfig => mesh_api::decode::<mesh_api::ProxyConfig>(object.clone()).err(),
                Kind::PeerAuthentication => {
                    mesh_api::decode::<mesh_api::PeerAuthentication>(object.clone()).err()
                }
            };
            if wrong.is_empty() && !object["spec"].is_null() {
                prop_assert!(decoded.is_none(), "{kind}: {decoded:?} in {object}");
            }
            as_stored(&mut object);
            let paths = |errors: &[TypeError]| errors.iter().map(|error| error.path.clone()).collect::<Vec<_>>();
            prop_assert_eq!(paths(&check_types(kind, &object)), paths(&wrong));
        }
    }
}
