//! Random meshes and requests that meet often: few hosts, paths and headers, and many ways to ask for them.

use crate::random::Random;
use pilot_view::explain::Request;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// Where the client is.
pub const NAMESPACE: &str = "default";
const OTHER: &str = "other";
const DOMAIN: &str = "svc.cluster.local";

const ENTRIES: &[&str] = &["a.test", "b.test", "c.wild.test", "d.wild.test", "*.star.test"];
const SERVICES: &[(&str, &str)] = &[("alpha", NAMESPACE), ("beta", OTHER), ("gamma", OTHER)];
const ROUTED: &[&str] =
    &["a.test", "b.test", "c.wild.test", "*.wild.test", "*.test", "virtual.test", "x.star.test"];
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
];
const PATTERNS: &[&str] = &["/a.*", "/api/v[0-9]+(/.*)?", ".*\\.css", "/(a|b)/?", "(?i)/AB"];
const METHODS: &[&str] = &["GET", "POST", "DELETE"];
const HEADERS: &[&str] = &["x-user", "end-user", "x-flag"];
const VALUES: &[&str] = &["ada", "adam", "bob", "1"];

pub struct Generator {
    random: Random,
    stubs: Vec<SocketAddr>,
    used: usize,
    text: String,
}

impl Generator {
    pub fn new(random: Random, stubs: Vec<SocketAddr>) -> Self {
        Self { random, stubs, used: 0, text: String::new() }
    }

    /// The mesh that was made last.
    pub fn current(&self) -> &str {
        &self.text
    }

    /// Another mesh: JSON documents, which are YAML.
    pub fn mesh(&mut self) -> String {
        self.used = 0;
        let mut objects = Vec::new();
        for (index, host) in ENTRIES.iter().enumerate() {
            if self.random.chance(85) {
                objects.push(self.service_entry(index, host));
            }
        }
        for (index, (name, namespace)) in SERVICES.iter().enumerate() {
            if self.random.chance(85) {
                objects.extend(self.service(index, name, namespace));
            }
        }
        for index in 0..6 {
            if self.random.chance(70) {
                objects.push(self.destination_rule(index));
            }
        }
        for index in 0..8 {
            objects.push(self.virtual_service(index));
        }
        if self.random.chance(25) {
            objects.push(self.sidecar());
        }
        let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
        self.text = documents.join("\n---\n");
        self.text.clone()
    }

    /// A request, of which `mesh` may know something.
    pub fn request(&mut self) -> Request {
        let random = &mut self.random;
        let mut authority = (*random.of(AUTHORITIES)).to_owned();
        if random.chance(40) {
            authority = format!("{authority}:{}", random.of(&[80, 8080, 8080, 9000, 9000, 9999]));
        }
        let mut path = (*random.of(PATHS)).to_owned();
        if random.chance(40) {
            path = format!("{path}?{}", random.of(&["id=1", "id=2&debug", "debug=true", "x=1&id=1", "id="]));
        }
        let mut headers = Vec::new();
        for name in HEADERS {
            while random.chance(35) {
                headers.push(((*name).to_owned(), (*random.of(VALUES)).to_owned()));
            }
        }
        let method = (*random.of(METHODS)).to_owned();
        Request { scheme: "http".to_owned(), method, authority, path, headers, destination: None }
    }

    fn stub(&mut self) -> SocketAddr {
        self.used += 1;
        self.stubs[self.used % self.stubs.len()]
    }

    fn ports(&mut self) -> Vec<u16> {
        let random = &mut self.random;
        let mut ports: Vec<u16> = PORTS.iter().copied().filter(|_| random.chance(75)).collect();
        if ports.is_empty() {
            ports.push(*random.of(PORTS));
        }
        ports
    }

    fn service_entry(&mut self, index: usize, host: &str) -> Value {
        let ports = self.ports();
        let count = if self.random.chance(15) { 0 } else { 1 + self.random.below(3) };
        let endpoints: Vec<Value> = (0..count)
            .map(|_| {
                let at: Map<String, Value> =
                    ports.iter().map(|port| (format!("http-{port}"), self.stub().port().into())).collect();
                let address = self.stubs[0].ip().to_string();
                json!({ "address": address, "ports": at, "labels": { "version": self.random.of(VERSIONS) } })
            })
            .collect();
        let ports: Vec<Value> = ports
            .iter()
            .map(|port| json!({ "number": port, "name": format!("http-{port}"), "protocol": "HTTP" }))
            .collect();
        let namespace = if self.random.chance(80) { NAMESPACE } else { OTHER };
        object(
            "ServiceEntry",
            &format!("entry-{index}"),
            namespace,
            json!({
                "hosts": [host], "location": "MESH_EXTERNAL", "resolution": "STATIC",
                "ports": ports, "endpoints": endpoints, "exportTo": self.export_to(),
            }),
        )
    }

    fn export_to(&mut self) -> Value {
        if self.random.chance(90) { json!(["*"]) } else { json!(["."]) }
    }

    /// A Service and its endpoints, which it does not select.
    fn service(&mut self, index: usize, name: &str, namespace: &str) -> Vec<Value> {
        let ports = self.ports();
        let metadata = |name: &str| json!({ "name": name, "namespace": namespace });
        let named = |port: &u16| json!({ "port": port, "name": format!("http-{port}") });
        let service = json!({
            "apiVersion": "v1", "kind": "Service", "metadata": metadata(name),
            "spec": { "clusterIP": format!("10.99.0.{}", index + 1), "ports": ports.iter().map(named).collect::<Vec<_>>() },
        });
        let slices = (0..self.random.below(4)).map(|slice| {
            let at: Vec<Value> = ports
                .iter()
                .map(|port| json!({ "port": self.stub().port(), "name": format!("http-{port}") }))
                .collect();
            let mut metadata = metadata(&format!("{name}-{slice}"));
            metadata["labels"] = json!({ "kubernetes.io/service-name": name });
            json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
                "addressType": "IPv4", "ports": at,
                "endpoints": [{ "addresses": [self.stubs[0].ip().to_string()], "conditions": { "ready": true } }],
            })
        });
        std::iter::once(service).chain(slices.collect::<Vec<_>>()).collect()
    }

    fn host(&mut self) -> String {
        match self.random.below(3) {
            0 => {
                let (name, namespace) = self.random.of(SERVICES);
                format!("{name}.{namespace}.{DOMAIN}")
            }
            _ => (*self.random.of(ENTRIES)).to_owned(),
        }
    }

    fn destination_rule(&mut self, index: usize) -> Value {
        let host = self.host();
        let random = &mut self.random;
        let subsets: Vec<Value> = VERSIONS
            .iter()
            .filter(|_| random.chance(75))
            .map(|version| json!({ "name": version, "labels": { "version": version } }))
            .collect();
        let namespace = if random.chance(80) { NAMESPACE } else { OTHER };
        object(
            "DestinationRule",
            &format!("rule-{index}"),
            namespace,
            json!({ "host": host, "subsets": subsets }),
        )
    }

    fn virtual_service(&mut self, index: usize) -> Value {
        let namespace = if self.random.chance(80) { NAMESPACE } else { OTHER };
        let name = format!("virtual-{index}");
        let hosts: Vec<String> = (0..1 + self.random.below(2))
            .map(|_| if self.random.chance(60) { (*self.random.of(ROUTED)).to_owned() } else { self.host() })
            .collect();
        let rules: Vec<Value> = (0..1 + self.random.below(5))
            .map(|rule| self.rule(&format!("{namespace}/{name} spec.http[{rule}]")))
            .collect();
        object(
            "VirtualService",
            &name,
            namespace,
            json!({
                "hosts": hosts, "http": rules, "exportTo": self.export_to(),
            }),
        )
    }

    fn rule(&mut self, label: &str) -> Value {
        let set = json!({ "x-rule": label, "x-cluster": "%UPSTREAM_CLUSTER_RAW%" });
        let mut rule = json!({ "headers": { "response": { "set": set } } });
        let matches: Vec<Value> = (0..self.random.below(3)).map(|_| self.condition()).collect();
        if !matches.is_empty() {
            rule["match"] = matches.into();
        }
        match self.random.below(10) {
            0 | 1 => rule["redirect"] = self.redirect(),
            2 => rule["directResponse"] = json!({ "status": self.random.of(&[204, 404, 418, 503]) }),
            _ => {
                let destinations: Vec<Value> =
                    (0..1 + self.random.below(3)).map(|_| self.destination()).collect();
                rule["route"] = destinations.into();
            }
        }
        if self.random.chance(8) {
            rule["fault"] = json!({ "abort": { "httpStatus": 555, "percentage": { "value": 100 } } });
        }
        rule
    }

    fn destination(&mut self) -> Value {
        let mut destination = json!({ "host": self.host() });
        let random = &mut self.random;
        if random.chance(50) {
            destination["subset"] = (*random.of(&["v1", "v1", "v2", "v2", "v3", "v9"])).into();
        }
        if random.chance(60) {
            destination["port"] = json!({ "number": random.of(&[80, 80, 8080, 8080, 9000, 9000, 9999]) });
        }
        json!({ "destination": destination, "weight": 1 + random.below(50) })
    }

    fn redirect(&mut self) -> Value {
        let random = &mut self.random;
        let mut redirect = json!({ "redirectCode": random.of(&[301, 302, 303, 307, 308]) });
        if random.chance(60) {
            redirect["uri"] = (*random.of(&["/moved", "/moved?why=1", "/"])).into();
        }
        if random.chance(50) || redirect.get("uri").is_none() {
            redirect["authority"] = (*random.of(&["new.test", "new.test:81"])).into();
        }
        if random.chance(30) {
            redirect["scheme"] = "https".into();
        }
        match random.below(4) {
            0 => redirect["port"] = json!(random.of(&[80, 443, 8443])),
            1 => {
                redirect["derivePort"] = (*random.of(&["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"])).into()
            }
            _ => {}
        }
        redirect
    }

    fn condition(&mut self) -> Value {
        let mut condition = json!({});
        for _ in 0..1 + self.random.below(2) {
            let random = &mut self.random;
            match random.below(14) {
                0..=3 => {
                    condition["uri"] = match random.below(3) {
                        0 => json!({ "exact": random.of(PATHS) }),
                        1 => json!({ "prefix": random.of(PATHS) }),
                        _ => json!({ "regex": random.of(PATTERNS) }),
                    };
                    condition["ignoreUriCase"] = random.chance(30).into();
                }
                4 | 5 => condition["headers"] = json!({ (*random.of(HEADERS)): text(random, VALUES) }),
                6 | 7 => condition["withoutHeaders"] = json!({ (*random.of(HEADERS)): text(random, VALUES) }),
                8 => condition["method"] = json!({ "exact": random.of(METHODS) }),
                9 => condition["queryParams"] = json!({ "id": text(random, &["1", "2", ""]) }),
                10 => {
                    let wanted = random.of(&["a.test", "alpha", "b.test:8080"]);
                    condition["authority"] = if random.chance(50) {
                        json!({ "exact": wanted })
                    } else {
                        json!({ "prefix": wanted })
                    };
                }
                11 => condition["port"] = json!(random.of(PORTS)),
                12 => condition["sourceLabels"] = json!({ "app": random.of(&["client", "nobody"]) }),
                _ => match random.below(3) {
                    0 => condition["sourceNamespace"] = (*random.of(&[NAMESPACE, OTHER])).into(),
                    1 => {
                        condition["gateways"] =
                            (*random.of(&[&["mesh"][..], &["some/gateway"], &["mesh", "some/gateway"]]))
                                .into()
                    }
                    _ => condition["scheme"] = json!({ "exact": random.of(&["http", "https"]) }),
                },
            }
        }
        condition
    }

    fn sidecar(&mut self) -> Value {
        let random = &mut self.random;
        let all = ["./*", "other/*", "*/a.test", "*/*.test", "istio-system/*"];
        let mut hosts: Vec<&str> = all.into_iter().filter(|_| random.chance(55)).collect();
        if hosts.is_empty() {
            hosts.push("./*");
        }
        let mode = *random.of(&["ALLOW_ANY", "REGISTRY_ONLY"]);
        object(
            "Sidecar",
            "default",
            NAMESPACE,
            json!({
                "egress": [{ "hosts": hosts }], "outboundTrafficPolicy": { "mode": mode },
            }),
        )
    }
}

fn text(random: &mut Random, values: &[&str]) -> Value {
    match random.below(4) {
        0 => json!({ "exact": random.of(values) }),
        1 => json!({ "prefix": random.of(&["a", "ad", "1"]) }),
        2 => json!({ "regex": random.of(&["ad.*", "[0-9]+", ".*", "ada|bob", ".+"]) }),
        _ => json!({}),
    }
}

fn object(kind: &str, name: &str, namespace: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": { "name": name, "namespace": namespace }, "spec": spec,
    })
}
