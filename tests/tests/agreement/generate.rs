//! Random meshes and requests that meet often: few hosts, paths and headers, and many ways to ask for them.

mod rules;

use crate::blocks::{Block, always, either, fields, list, of, some_of, sometimes};
use pilot_view::explain::Request;
use proptest::{collection::vec, option::weighted, prelude::*, sample::select};
use rules::{ROUTED, rules};
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// Where the client is.
pub const NAMESPACE: &str = "default";
const OTHER: &str = "other";
/// Where rules are for everybody.
const ROOT: &str = "istio-system";

const ENTRIES: &[&str] = &["a.test", "b.test", "c.wild.test", "d.wild.test", "*.star.test"];
const SERVICES: &[(&str, &str)] = &[("alpha", NAMESPACE), ("beta", OTHER), ("gamma", OTHER)];
const FULL_NAMES: &[&str] =
    &["alpha.default.svc.cluster.local", "beta.other.svc.cluster.local", "gamma.other.svc.cluster.local"];
const PORTS: &[u16] = &[80, 8080, 9000];
const VERSIONS: &[&str] = &["v1", "v2", "v3"];
const AUTHORITIES: &[&str] = &[
    "a.test",
    "b.test",
    "c.wild.test",
    "d.wild.test",
    "e.wild.test",
    "x.star.test",
    "y.star.test",
    "virtual.test",
    "other.test",
    "A.Test",
    "nobody.example",
    "alpha",
    "alpha.default",
    "beta",
    "beta.other",
    "gamma.other.svc",
    "beta.other.svc.cluster.local",
    "alpha.default.svc.cluster.local",
    "10.99.0.1",
    "10.99.0.2",
];
const PATHS: &[&str] = &[
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/A/B",
    "/ab",
    "/api",
    "/api/v1",
    "/api/v2/users",
    "/x/../a",
    "/a/./b",
    "/static/x.css",
    "/a//b",
    "/a%2Fb",
    "/a/%2e%2E/b",
    "/a\\b",
];
const METHODS: &[&str] = &["GET", "POST", "DELETE"];
const HEADERS: &[&str] = &["x-user", "end-user", "x-flag"];
const VALUES: &[&str] = &["ada", "adam", "bob", "1"];
/// VirtualServices that others hand over to.
const DELEGATES: &[(&str, &str)] =
    &[("delegate-0", NAMESPACE), ("delegate-1", NAMESPACE), ("delegate-2", OTHER)];

/// Objects without what [`text`] gives them: names are given here, so that they stay when others are left out.
pub fn mesh() -> impl Strategy<Value = Vec<Value>> {
    let mut slots = Vec::new();
    for (index, host) in ENTRIES.iter().enumerate() {
        slots.push(sometimes(85, service_entry(index, host)));
    }
    for (index, (name, namespace)) in SERVICES.iter().enumerate() {
        slots.push(sometimes(85, service(index, name, namespace)));
    }
    for index in 0..6 {
        slots.push(sometimes(
            70,
            object("DestinationRule", format!("rule-{index}"), anywhere(), destination_rule()),
        ));
    }
    for index in 0..8 {
        slots.push(sometimes(
            95,
            object("VirtualService", format!("virtual-{index}"), anywhere(), virtual_service()),
        ));
    }
    for (name, namespace) in DELEGATES {
        let spec = fields(vec![("http", 100, list(rules(), 1..=3)), ("exportTo", 15, export_to())]);
        slots.push(sometimes(
            85,
            object("VirtualService", (*name).to_owned(), of(std::slice::from_ref(namespace)), spec),
        ));
    }
    slots.push(sometimes(25, object("Sidecar", "default".to_owned(), of(&[NAMESPACE]), sidecar())));
    slots.push(sometimes(30, settings()));
    slots.prop_map(|slots| slots.into_iter().flatten().collect())
}

/// A request, of which a mesh may know something.
pub fn request() -> impl Strategy<Value = Request> {
    let port = select(&[80_u16, 8080, 8080, 9000, 9000, 9999][..]);
    let query = select(&["id=1", "id=2&debug", "debug=true", "x=1&id=1", "id="][..]);
    let header = |name: &'static str| {
        let values = prop_oneof![13 => vec(select(VALUES), 0..=0), 7 => vec(select(VALUES), 1..=2)];
        values.prop_map(move |values| {
            values.into_iter().map(|value| (name.to_owned(), value.to_owned())).collect::<Vec<_>>()
        })
    };
    let headers: Vec<_> = HEADERS.iter().map(|name| header(name)).collect();
    (select(AUTHORITIES), weighted(0.4, port), select(PATHS), weighted(0.4, query), headers, select(METHODS))
        .prop_map(|(host, port, path, query, headers, method)| Request {
            scheme: "http".to_owned(),
            method: method.to_owned(),
            authority: port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")),
            path: query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}")),
            headers: headers.into_iter().flatten().collect(),
            destination: None,
        })
}

/// The documents of a mesh: JSON, which is YAML. Endpoints get addresses, and rules say in responses which they are.
pub fn text(objects: &[Value], stubs: &[SocketAddr]) -> String {
    let mut stubs = stubs.iter().cycle();
    let mut documents = Vec::new();
    for object in objects {
        let mut object = object.clone();
        match object["kind"].as_str() {
            Some("ServiceEntry") => place_endpoints(&mut object, &mut stubs),
            Some("Service") => documents.extend(slices(&mut object, &mut stubs)),
            Some("VirtualService") => label(&mut object),
            _ => {}
        }
        documents.push(object.to_string());
    }
    documents.join("\n---\n")
}

/// The rules of a VirtualService say which they are; one that hands over leaves that to those that it hands over to.
fn label(object: &mut Value) {
    let name = format!(
        "{}/{}",
        object["metadata"]["namespace"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    for (index, rule) in object["spec"]["http"].as_array_mut().into_iter().flatten().enumerate() {
        if rule.get("delegate").is_none() {
            let label = format!("{name} spec.http[{index}]");
            rule["headers"]["response"]["set"] =
                json!({ "x-rule": label, "x-cluster": "%UPSTREAM_CLUSTER_RAW%" });
        }
    }
}

fn place_endpoints<'s>(object: &mut Value, stubs: &mut impl Iterator<Item = &'s SocketAddr>) {
    let spec = &mut object["spec"];
    let names: Vec<String> = spec["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|port| Some(port["name"].as_str()?.to_owned()))
        .collect();
    for endpoint in spec["endpoints"].as_array_mut().into_iter().flatten() {
        let mut ports = Map::new();
        for (name, stub) in names.iter().zip(&mut *stubs) {
            endpoint["address"] = stub.ip().to_string().into();
            ports.insert(name.clone(), stub.port().into());
        }
        endpoint["ports"] = ports.into();
    }
}

/// The endpoints of a Service, which it does not select: as many slices of one as it says.
fn slices<'s>(object: &mut Value, stubs: &mut impl Iterator<Item = &'s SocketAddr>) -> Vec<String> {
    let count =
        object.as_object_mut().and_then(|fields| fields.remove("slices")?.as_u64()).unwrap_or_default();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let slice = |slice: u64| {
        let mut address = String::new();
        let mut ports = Vec::new();
        for (port, stub) in object["spec"]["ports"].as_array().into_iter().flatten().zip(&mut *stubs) {
            address = stub.ip().to_string();
            ports.push(json!({ "port": stub.port(), "name": port["name"] }));
        }
        let metadata = json!({
            "name": format!("{name}-{slice}"), "namespace": object["metadata"]["namespace"],
            "labels": { "kubernetes.io/service-name": name },
        });
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
            "addressType": "IPv4", "ports": ports,
            "endpoints": [{ "addresses": [address], "conditions": { "ready": true } }],
        });
        slice.to_string()
    };
    (0..count).map(slice).collect()
}

fn object(kind: &'static str, name: String, namespace: Block, spec: Block) -> Block {
    let object = move |(namespace, spec)| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": { "name": name, "namespace": namespace }, "spec": spec,
        })
    };
    (namespace, spec).prop_map(object).boxed()
}

fn anywhere() -> Block {
    either(vec![(14, of(&[NAMESPACE])), (4, of(&[OTHER])), (2, of(&[ROOT]))])
}

fn export_to() -> Block {
    either(vec![(8, of(&["*"])), (2, of(&[".", "default", "other"]))]).prop_map(|to| json!([to])).boxed()
}

/// Ports with names, under which endpoints have theirs.
fn ports(shape: fn(u16) -> Value) -> Block {
    let some = proptest::sample::subsequence(PORTS, 1..=PORTS.len());
    some.prop_map(move |ports| ports.into_iter().map(shape).collect()).boxed()
}

fn service_entry(index: usize, host: &'static &'static str) -> Block {
    let ports = ports(|port| json!({ "number": port, "name": format!("http-{port}"), "protocol": "HTTP" }));
    let endpoint = of(VERSIONS).prop_map(|version| json!({ "labels": { "version": version } })).boxed();
    let spec = fields(vec![
        ("hosts", 100, of(std::slice::from_ref(host)).prop_map(|host| json!([host])).boxed()),
        ("location", 100, of(&["MESH_EXTERNAL", "MESH_INTERNAL"])),
        ("resolution", 100, of(&["STATIC"])),
        ("ports", 100, ports),
        ("endpoints", 100, either(vec![(9, list(endpoint, 1..=3)), (1, always(json!([])))])),
        ("exportTo", 50, export_to()),
    ]);
    object("ServiceEntry", format!("entry-{index}"), anywhere(), spec)
}

fn service(index: usize, name: &'static str, namespace: &'static str) -> Block {
    let service = move |(ports, slices): (Value, usize)| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": namespace },
            "spec": { "clusterIP": format!("10.99.0.{}", index + 1), "ports": ports }, "slices": slices,
        })
    };
    let ports = ports(|port| json!({ "port": port, "name": format!("http-{port}") }));
    (ports, prop_oneof![9 => 1_usize..4, 1 => Just(0)]).prop_map(service).boxed()
}

/// A host that services have, by one of its names.
fn host() -> Block {
    either(vec![(8, of(ENTRIES)), (4, of(FULL_NAMES)), (1, of(&["alpha", "beta", "beta.other"]))])
}

fn destination_rule() -> Block {
    let labels = |version: &str| json!({ "name": version, "labels": { "version": version } });
    let subset = |version: &'static str| {
        weighted(0.75, weighted(0.3, policy(false))).prop_map(move |given| {
            given.map(|policy| {
                let mut subset = labels(version);
                if let Some(policy) = policy {
                    subset["trafficPolicy"] = policy;
                }
                subset
            })
        })
    };
    let subsets: Vec<_> = VERSIONS.iter().map(|version| subset(version)).collect();
    let subsets = subsets.prop_map(|subsets| subsets.into_iter().flatten().collect::<Value>()).boxed();
    let selector = of(&["client", "nobody"]).prop_map(|app| json!({ "matchLabels": { "app": app } })).boxed();
    fields(vec![
        (
            "host",
            100,
            either(vec![
                (5, host()),
                (1, of(&["*.test", "*.wild.test", "*.svc.cluster.local", "alpha", "beta"])),
            ]),
        ),
        ("subsets", 100, subsets),
        ("trafficPolicy", 50, policy(true)),
        ("workloadSelector", 20, selector),
        ("exportTo", 20, export_to()),
    ])
}

/// A policy that changes nothing of where requests go, or should not.
fn policy(of_host: bool) -> Block {
    let simple = of(&["ROUND_ROBIN", "LEAST_REQUEST", "RANDOM"]).prop_map(|kind| json!({ "simple": kind }));
    let hash = of(HEADERS).prop_map(|name| json!({ "consistentHash": { "httpHeaderName": name } }));
    let blocks = || {
        vec![
            ("loadBalancer", 40, either(vec![(2, simple.clone().boxed()), (1, hash.clone().boxed())])),
            (
                "outlierDetection",
                25,
                of(&[5_u32, 50]).prop_map(|count| json!({ "consecutive5xxErrors": count })).boxed(),
            ),
            (
                "connectionPool",
                25,
                of(&[1_u32, 1000])
                    .prop_map(|count| json!({ "http": { "maxRequestsPerConnection": count } }))
                    .boxed(),
            ),
            ("tls", 25, of(&["DISABLE"]).prop_map(|mode| json!({ "mode": mode })).boxed()),
        ]
    };
    let mut all = blocks();
    if of_host {
        let of_port = (select(PORTS), fields(blocks())).prop_map(|(port, mut policy)| {
            policy["port"] = json!({ "number": port });
            json!([policy])
        });
        all.push(("portLevelSettings", 30, of_port.boxed()));
    }
    fields(all)
}

fn virtual_service() -> Block {
    let hosts = list(either(vec![(3, of(ROUTED)), (2, host())]), 1..=2);
    fields(vec![
        ("hosts", 100, hosts),
        ("gateways", 15, some_of(&["mesh", "some/gateway"], "mesh")),
        ("http", 100, list(rules(), 1..=5)),
        ("exportTo", 50, export_to()),
    ])
}

/// Settings of the mesh: the ConfigMap has them as text.
fn settings() -> Block {
    let mode = |name: &'static str, modes: &'static [&'static str]| {
        of(modes).prop_map(move |mode| json!({ name: mode })).boxed()
    };
    let paths = &["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"];
    let slashes = &["KEEP_UNCHANGED", "REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD"];
    let connections = fields(vec![
        ("httpMergeSlashes", 50, of(&[true, false])),
        ("httpPathWithEscapedSlashesAction", 50, of(slashes)),
    ]);
    let settings = fields(vec![
        ("defaultConfig", 30, fields(vec![("connectionSettings", 100, connections)])),
        ("outboundTrafficPolicy", 50, mode("mode", &["ALLOW_ANY", "REGISTRY_ONLY"])),
        ("pathNormalization", 50, mode("normalization", paths)),
        ("defaultServiceExportTo", 25, export_to()),
        ("defaultVirtualServiceExportTo", 25, export_to()),
        ("defaultDestinationRuleExportTo", 25, export_to()),
    ]);
    let map = |settings: Value| {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "istio", "namespace": ROOT },
            "data": { "mesh": settings.to_string() },
        })
    };
    settings.prop_map(map).boxed()
}

fn sidecar() -> Block {
    let hosts = some_of(&["./*", "other/*", "*/a.test", "*/*.test", "istio-system/*", "~/*"], "./*");
    let egress = hosts.prop_map(|hosts| json!([{ "hosts": hosts }])).boxed();
    let policy = of(&["ALLOW_ANY", "REGISTRY_ONLY"]).prop_map(|mode| json!({ "mode": mode })).boxed();
    let selector = of(&["client", "nobody"]).prop_map(|app| json!({ "labels": { "app": app } })).boxed();
    fields(vec![
        ("egress", 100, egress),
        ("outboundTrafficPolicy", 80, policy),
        ("workloadSelector", 40, selector),
    ])
}
