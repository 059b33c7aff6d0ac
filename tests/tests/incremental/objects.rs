//! Edits of a small mesh in which names, addresses, wildcards and labels meet as often as possible.
//!
//! Each object has a file of its own, so that it can be replaced and removed alone. Whatever is generated is YAML as users
//! write it.

use proptest::{collection::vec, prelude::*, sample::select};
use std::fmt;

/// One file and its new text; empty when the object goes away.
#[derive(Clone)]
pub struct FileEdit {
    /// The file: one for each object.
    pub name: &'static str,
    /// All that is in it.
    pub text: String,
}

/// Edits that are published together.
#[derive(Clone)]
pub struct Step(pub Vec<FileEdit>);

impl fmt::Debug for FileEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "--- {}\n{}", self.name, self.text)
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "=== publish")?;
        self.0.iter().try_for_each(|edit| edit.fmt(f))
    }
}

/// A history.
pub fn steps() -> impl Strategy<Value = Vec<Step>> {
    let edit = prop_oneof![
        6 => services(),
        4 => service_entries(),
        5 => virtual_services(),
        1 => delegates(),
        4 => destination_rules(),
        3 => sidecars(),
        3 => peer_authentications(),
        3 => endpoints(),
        2 => secrets(),
        1 => config_maps(),
        1 => mesh_config(),
        1 => namespaces(),
        1 => gateways(),
    ];
    vec(vec(edit, 1..5).prop_map(Step), 1..9)
}

/// `text` in the file `name`, or nothing in one of four cases.
fn file(
    names: &'static [(&'static str, &'static str)],
    text: impl Strategy<Value = String> + 'static,
    kind: &'static str,
) -> BoxedStrategy<FileEdit> {
    let named = move |((file, object), spec, gone): ((&'static str, &'static str), String, u8)| {
        let (namespace, name) = object.split_once('/').unwrap();
        let text = if gone == 0 {
            String::new()
        } else {
            format!("{kind}\nmetadata: {{name: {name}, namespace: {namespace}}}\n{spec}")
        };
        FileEdit { name: file, text }
    };
    (select(names), text, 0..4u8).prop_map(named).boxed()
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    select(texts)
}

const EXPORT: &[&str] = &["", "", "  exportTo: ['.']\n", "  exportTo: [y]\n", "  exportTo: ['~']\n"];

fn services() -> BoxedStrategy<FileEdit> {
    let address = one_of(&["10.0.0.1", "10.0.0.2", "10.0.0.3", "None"]);
    let ports = one_of(&[
        "{name: http, port: 80}",
        "{name: http, port: 80, targetPort: 8080}, {name: tcp, port: 90}",
        "{name: main, port: 80}",
        "{name: tls, port: 80}, {name: http-b, port: 81}",
        "{name: tcp, port: 80, targetPort: web}",
        "{name: http, port: 81}, {name: main, port: 90}",
        "{name: dns, port: 80, protocol: UDP}",
    ]);
    let selector = one_of(&["{app: a}", "{app: client}", "{app: a, version: v1}"]);
    let annotation = one_of(&["", "", "'.'", "y", "'~'"]);
    let serving = (address, ports, selector).prop_map(|(address, ports, selector)| {
        format!("spec: {{clusterIP: {address}, selector: {selector}, ports: [{ports}]}}")
    });
    let target = one_of(&[
        "a.x.svc.cluster.local",
        "b.x.svc.cluster.local",
        "a.y.svc.cluster.local",
        "ext.example.com",
        "other.example.com",
    ]);
    let named = target.prop_map(|target| format!("spec: {{type: ExternalName, externalName: {target}}}"));
    let text = (prop_oneof![3 => serving, 1 => named], annotation)
        .prop_map(|(text, annotation)| format!("{text}\n#{annotation}"));
    let names = &[("svc-a", "x/a"), ("svc-b", "x/b"), ("svc-a-y", "y/a"), ("svc-c", "istio-system/c")];
    // The annotation belongs into the metadata, which `file` writes.
    let annotate = |edit: FileEdit| match edit.text.rsplit_once('#') {
        Some((text, annotation)) if !annotation.is_empty() => {
            let annotations = format!(", annotations: {{networking.istio.io/exportTo: {annotation}}}}}");
            FileEdit { text: text.replacen('}', &annotations, 1), ..edit }
        }
        _ => edit,
    };
    file(names, text, "apiVersion: v1\nkind: Service").prop_map(annotate).boxed()
}

fn service_entries() -> BoxedStrategy<FileEdit> {
    let hosts = one_of(&[
        "ext.example.com",
        "'*.example.com'",
        "a.x",
        "a",
        "'*.a.x'",
        "a.x.svc.cluster.local",
        "10.0.0.1",
        "ext.example.com, other.example.com",
    ]);
    let addresses = one_of(&["", "", "10.0.0.1", "10.0.0.9", "10.0.0.9, 10.7.0.0/16", "10.7.0.0/16"]);
    let ports = one_of(&[
        "{number: 80, name: http, protocol: HTTP}",
        "{number: 80, name: tcp, protocol: TCP, targetPort: 8080}",
        "{number: 80, name: tls, protocol: TLS}",
        "{number: 90, name: main}",
        "{number: 80, name: http, protocol: HTTP}, {number: 90, name: tcp, protocol: TCP}",
    ]);
    let reached = one_of(&[
        "  resolution: NONE\n",
        "  resolution: DNS\n",
        "  resolution: DNS\n  endpoints: [{address: one.example.org}, {address: two.example.org, labels: {version: v1}}]\n",
        "  resolution: STATIC\n  endpoints: [{address: 10.3.0.1, labels: {version: v1}}, {address: 10.3.0.2}]\n",
        "  resolution: STATIC\n  workloadSelector: {labels: {app: a}}\n",
        "  resolution: STATIC\n  endpoints: [{network: north, labels: {security.istio.io/tlsMode: istio}}, {address: 10.3.0.2, network: south}]\n",
        "  resolution: DNS_ROUND_ROBIN\n",
        "  resolution: DYNAMIC_DNS\n",
    ]);
    let text = (hosts, addresses, ports, reached, one_of(EXPORT)).prop_map(
        |(hosts, addresses, ports, reached, export)| {
            format!(
                "spec:\n  hosts: [{hosts}]\n  addresses: [{addresses}]\n  ports: [{ports}]\n{reached}{export}"
            )
        },
    );
    // Two of one namespace, which may be one service.
    let names = &[("se-1", "x/se1"), ("se-2", "y/se2"), ("se-3", "istio-system/se3"), ("se-4", "x/se4")];
    file(names, text, "apiVersion: networking.istio.io/v1\nkind: ServiceEntry")
}

fn virtual_services() -> BoxedStrategy<FileEdit> {
    let hosts = one_of(&[
        "a",
        "b",
        "a, b",
        "a.x.svc.cluster.local",
        "'*.x.svc.cluster.local'",
        "'*.example.com'",
        "ext.example.com",
        "virtual.example.com",
        "a.x",
        "'*.a.x'",
        "10.0.0.1",
        "'*.local'",
        "a, virtual.example.com",
        "b, '*.example.com', a",
        "virtual.example.com, '*.local'",
    ]);
    let to = one_of(&[
        "a",
        "b",
        "b.x.svc.cluster.local",
        "ext.example.com",
        "c.istio-system.svc.cluster.local",
        "a.y.svc.cluster.local",
        "a, subset: v1",
        "other.example.com",
        "b, port: {number: 90}",
    ]);
    let mirror = one_of(&[
        "",
        "",
        ", mirrors: [{destination: {host: b}}]",
        ", mirrors: [{destination: {host: other.example.com}}]",
    ]);
    let condition = one_of(&[
        "",
        "match: [{uri: {prefix: /a}}], ",
        "match: [{sourceLabels: {app: client}}], ",
        "match: [{sourceLabels: {version: v1}, uri: {prefix: /v}}], ",
        "match: [{port: 80}], ",
        "match: [{sourceNamespace: y}], ",
    ]);
    let after = one_of(&[
        "",
        "",
        "    - {directResponse: {status: 418}}\n",
        "    - {directResponse: {status: 418}}\n",
        "    - {match: [{uri: {prefix: /child}}], delegate: {name: child, namespace: x}, timeout: 3s}\n",
    ]);
    let connections = one_of(&[
        "",
        "",
        "",
        "  tcp: [{match: [{port: 80}], route: [{destination: {host: b}}]}]\n",
        "  tcp: [{match: [{destinationSubnets: [10.0.0.0/31]}], route: [{destination: {host: a}}]}]\n",
        "  tcp: [{match: [{sourceLabels: {app: client}}], route: [{destination: {host: other.example.com}, weight: 1}, {destination: {host: b}, weight: 2}]}]\n",
        "  tls: [{match: [{sniHosts: [a.example.com, ext.example.com, a, b]}], route: [{destination: {host: b}}]}]\n",
    ]);
    let http = (to, condition, mirror, after).prop_map(|(to, condition, mirror, after)| {
        format!("  http:\n    - {{{condition}route: [{{destination: {{host: {to}}}}}]{mirror}}}\n{after}")
    });
    let http = prop_oneof![4 => http, 1 => Just(String::new())];
    let text = (hosts, http, connections, one_of(EXPORT)).prop_map(|(hosts, http, connections, export)| {
        format!("spec:\n  hosts: [{hosts}]\n{export}{http}{connections}")
    });
    let names = &[("vs-1", "x/vs1"), ("vs-2", "x/vs2"), ("vs-3", "y/vs3"), ("vs-4", "istio-system/vs4")];
    file(names, text, "apiVersion: networking.istio.io/v1\nkind: VirtualService")
}

/// Routes for others to take.
fn delegates() -> BoxedStrategy<FileEdit> {
    let text = one_of(&[
        "  http: [{route: [{destination: {host: a}}]}]\n",
        "  http: [{match: [{uri: {prefix: /child/b}}], route: [{destination: {host: b, subset: v1}}]}]\n",
        "  http: [{match: [{uri: {prefix: /elsewhere}}], route: [{destination: {host: a}}]}]\n",
        "  hosts: [virtual.example.com]\n  http: [{route: [{destination: {host: a}}]}]\n",
    ]);
    let text = (text, one_of(EXPORT)).prop_map(|(text, export)| format!("spec:\n{text}{export}"));
    file(&[("vs-child", "x/child")], text, "apiVersion: networking.istio.io/v1\nkind: VirtualService")
}

fn destination_rules() -> BoxedStrategy<FileEdit> {
    let host = one_of(&[
        "a",
        "b",
        "ext.example.com",
        "'*.example.com'",
        "'*.x.svc.cluster.local'",
        "a.x.svc.cluster.local",
        "'*'",
    ]);
    let policy = one_of(&[
        "  trafficPolicy: {loadBalancer: {simple: RANDOM}}\n",
        "  trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}\n",
        "  trafficPolicy: {loadBalancer: {consistentHash: {httpHeaderName: x-user}}}\n",
        "  trafficPolicy: {connectionPool: {tcp: {idleTimeout: 5s}}}\n",
        "  trafficPolicy: {outlierDetection: {}}\n",
        "  trafficPolicy: {outlierDetection: {}, loadBalancer: {localityLbSetting: {failoverPriority: [app, version]}}}\n",
        "  trafficPolicy: {loadBalancer: {localityLbSetting: {distribute: [{from: eu/*, to: {eu: 60, us: 40}}]}}}\n",
        "  trafficPolicy: {loadBalancer: {zoneAwareLbSetting: {failoverPriority: [version], minClusterSize: 2}}}\n",
        "  trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}\n",
        "  trafficPolicy: {tls: {mode: SIMPLE}}\n",
        "  trafficPolicy: {tls: {mode: SIMPLE, credentialName: credential}}\n",
        "  trafficPolicy: {tls: {mode: MUTUAL, credentialName: credential}}\n",
        "  trafficPolicy: {tls: {mode: SIMPLE, credentialName: 'configmap://credential'}}\n",
        "  trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: MUTUAL, credentialName: other}}]}\n",
        "  trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]}\n",
        "  trafficPolicy: {tunnel: {targetHost: a.example.com, targetPort: 443}}\n",
        "  trafficPolicy: {portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: ROUND_ROBIN}}]}\n",
        "",
    ]);
    let subsets = one_of(&[
        "",
        "  subsets: [{name: v1, labels: {version: v1}}]\n",
        "  subsets: [{name: v1, labels: {}, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}}}}, {name: v2, labels: {version: v2}}]\n",
    ]);
    let selector = one_of(&["", "", "  workloadSelector: {matchLabels: {app: client}}\n"]);
    let text = (host, policy, subsets, selector, one_of(EXPORT)).prop_map(
        |(host, policy, subsets, selector, export)| {
            format!("spec:\n  host: {host}\n{policy}{subsets}{selector}{export}")
        },
    );
    let names = &[("dr-1", "x/dr1"), ("dr-2", "x/dr2"), ("dr-3", "y/dr3"), ("dr-4", "istio-system/dr4")];
    file(names, text, "apiVersion: networking.istio.io/v1\nkind: DestinationRule")
}

/// A certificate, its key and its authority, by the keys of a Secret.
fn key_material() -> &'static str {
    let golden = include_str!("../../testdata/mtls/credential.in.yaml");
    let whole = golden
        .split("\n---\n")
        .find(|object| object.contains("kind: Secret\nmetadata: {name: client,"))
        .unwrap();
    whole.split_once("stringData:\n").unwrap().1
}

/// ConfigMaps that a rule may name, with authorities or without.
fn config_maps() -> BoxedStrategy<FileEdit> {
    let text = one_of(&["ca.crt", "cacert", "other", "-----BEGIN"]).prop_map(|changed| match changed {
        "-----BEGIN" => format!("data:\n{}", key_material().replace("-----BEGIN", "-")),
        key => format!("data:\n{}", key_material().replace("ca.crt", key)),
    });
    let names = &[("config-map", "x/credential"), ("config-map-y", "y/credential")];
    file(names, text, "apiVersion: v1\nkind: ConfigMap")
}

/// Both Secrets of one credential, and one of another: whole, by halves, and broken.
fn secrets() -> BoxedStrategy<FileEdit> {
    let whole = key_material();
    let text = select(vec!["", "tls.key", "ca.crt", "-----BEGIN"]).prop_map(move |broken| match broken {
        "" => format!("stringData:\n{whole}"),
        broken => format!("stringData:\n{}", whole.replace(broken, "-")),
    });
    let names = &[
        ("secret", "x/credential"),
        ("secret-ca", "x/credential-cacert"),
        ("secret-y", "y/credential"),
        ("secret-other", "x/other"),
    ];
    file(names, text, "apiVersion: v1\nkind: Secret")
}

fn sidecars() -> BoxedStrategy<FileEdit> {
    let selector = one_of(&[
        "",
        "  workloadSelector: {labels: {app: chosen}}\n",
        "  workloadSelector: {labels: {app: a}}\n",
    ]);
    // Most often one that leaves out what routes may need.
    let hosts = one_of(&[
        "./*",
        "./*",
        "./*",
        "./*",
        "*/*",
        "y/*",
        "~/*",
        "*/*', '~y/*",
        "*/*', '~/a.x.svc.cluster.local",
        "./a.x.svc.cluster.local",
        "*/*.example.com",
        "istio-system/*",
        "./virtual.example.com",
    ]);
    let policy = one_of(&[
        "",
        "",
        "  outboundTrafficPolicy: {mode: REGISTRY_ONLY}\n",
        "  outboundTrafficPolicy: {mode: ALLOW_ANY, egressProxy: {host: b.x.svc.cluster.local, port: {number: 80}}}\n",
    ]);
    let ingress = one_of(&[
        "",
        "",
        "  inboundConnectionPool: {tcp: {maxConnections: 9}}\n",
        "  ingress: [{port: {number: 8080, protocol: HTTP, name: a}, defaultEndpoint: '127.0.0.1:9'}]\n",
        "  ingress: [{port: {number: 8081, protocol: TCP, name: a}, bind: 127.0.0.9, captureMode: NONE}]\n",
    ]);
    let listener = one_of(&[
        "",
        "",
        "",
        "{port: {number: 80, protocol: HTTP, name: a}, hosts: ['*/*']}, ",
        "{port: {number: 90, protocol: TCP, name: a}, bind: 127.0.0.9, captureMode: NONE, hosts: ['./*']}, ",
        "{port: {number: 7070, protocol: HTTP_PROXY, name: a}, hosts: ['y/*']}, ",
        "{port: {protocol: HTTP, name: a}, bind: 'unix:///run/a.sock', hosts: ['./*']}, ",
        "{captureMode: NONE, hosts: ['x/*']}, ",
        "{bind: 127.0.0.8, hosts: ['x/*']}, {port: {number: 80, protocol: HTTP, name: a}, hosts: ['y/*']}, ",
        "{port: {protocol: TCP, name: a}, bind: 'unix://@a', hosts: ['*/*']}, {port: {name: b}, bind: 'unix:///run/a.sock', hosts: ['y/*']}, ",
    ]);
    let text = (selector, hosts, policy, ingress, listener).prop_map(
        |(selector, hosts, policy, ingress, listener)| {
            format!("spec:\n{selector}{policy}{ingress}  egress: [{listener}{{hosts: ['{hosts}']}}]\n")
        },
    );
    let names = &[("sc-1", "x/sc1"), ("sc-2", "x/sc2"), ("sc-3", "istio-system/sc3")];
    file(names, text, "apiVersion: networking.istio.io/v1\nkind: Sidecar")
}

fn peer_authentications() -> BoxedStrategy<FileEdit> {
    let selector = one_of(&[
        "",
        "",
        "  selector: {matchLabels: {app: a}}\n",
        "  selector: {matchLabels: {version: v1}}\n",
        "  selector: [unreadable]\n",
    ]);
    let mode = one_of(&[
        "",
        "  mtls: {mode: STRICT}\n",
        "  mtls: {mode: DISABLE}\n",
        "  mtls: {mode: PERMISSIVE}\n",
        "  mtls: {mode: UNSET}\n",
        "  mtls: {mode: UNREADABLE}\n",
    ]);
    let ports = one_of(&[
        "",
        "",
        "  portLevelMtls: {8080: {mode: DISABLE}}\n",
        "  portLevelMtls: {8080: {mode: STRICT}, 7: {mode: PERMISSIVE}}\n",
    ]);
    let text =
        (selector, mode, ports).prop_map(|(selector, mode, ports)| format!("spec:\n{selector}{mode}{ports}"));
    let names = &[("pa-1", "x/pa1"), ("pa-2", "x/pa2"), ("pa-3", "y/pa3"), ("pa-4", "istio-system/pa4")];
    file(names, text, "apiVersion: security.istio.io/v1\nkind: PeerAuthentication")
}

fn endpoints() -> BoxedStrategy<FileEdit> {
    let labels = || {
        one_of(&[
            "app: a",
            "app: a, version: v1",
            "app: client, version: v2",
            "app: a, istio-locality: eu.a",
            "app: a, security.istio.io/tlsMode: istio",
            "app: a, version: v1, security.istio.io/tlsMode: istio",
            "app: a, topology.istio.io/network: north, security.istio.io/tlsMode: istio",
        ])
    };
    let pod = labels().prop_flat_map(|labels| {
        let names = &[("pod-1", "x/a-1", "10.1.0.1"), ("pod-2", "x/a-2", "10.1.0.2"), ("pod-3", "y/a-3", "10.1.0.2")];
        (select(&names[..]), 8080..8083u16, 0..4u8).prop_map(move |((file, object, address), port, gone)| {
            let (namespace, name) = object.split_once('/').unwrap();
            let text = format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, labels: {{{labels}}}}}\n\
                 spec: {{serviceAccountName: sa-{port}, containers: [{{name: app, image: example.com/app, ports: [{{name: web, containerPort: {port}}}]}}]}}\n\
                 status: {{podIP: {address}, phase: Running, conditions: [{{type: Ready, status: 'True'}}]}}\n"
            );
            FileEdit { name: file, text: if gone == 0 { String::new() } else { text } }
        })
    });
    let slice = (
        select(&[("slice-a", "x/a"), ("slice-b", "x/b"), ("slice-a-y", "y/a")][..]),
        one_of(&["http", "tcp", "main", "tls"]),
        vec(one_of(&["10.1.0.1", "10.1.0.2", "10.1.0.3"]), 0..3),
        any::<bool>(),
        0..4u8,
    )
        .prop_map(|((file, service), port, addresses, ready, gone)| {
            let (namespace, name) = service.split_once('/').unwrap();
            let endpoints: Vec<_> = addresses
                .iter()
                .map(|address| format!("{{addresses: [{address}], conditions: {{ready: {ready}}}, targetRef: {{kind: Pod, name: a-{}, namespace: {namespace}}}}}", &address[7..]))
                .collect();
            let text = format!(
                "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}-1, namespace: {namespace}, labels: {{kubernetes.io/service-name: {name}}}}}\n\
                 addressType: IPv4\nports: [{{name: {port}, port: 8080}}]\nendpoints: [{}]\n",
                endpoints.join(", ")
            );
            FileEdit { name: file, text: if gone == 0 { String::new() } else { text } }
        });
    let reached = one_of(&["address: 10.2.0.1", "network: north", "address: 10.2.0.1, network: south"]);
    let entry = (labels(), reached).prop_map(|(labels, reached)| {
        format!("spec: {{{reached}, labels: {{{labels}}}, ports: {{http: 8888}}}}\n")
    });
    let entry = file(&[("we-1", "x/we1")], entry, "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry");
    prop_oneof![pod, slice, entry].boxed()
}

fn mesh_config() -> BoxedStrategy<FileEdit> {
    let settings = one_of(&[
        "outboundTrafficPolicy: {mode: REGISTRY_ONLY}",
        "outboundTrafficPolicy: {mode: ALLOW_ANY_DYNAMIC_DNS}",
        "connectTimeout: 3s",
        "accessLogFile: /dev/stdout",
        "extensionProviders: [{name: log, envoyTcpAls: {service: a.x.svc.cluster.local, port: 80}}]\n    defaultProviders: {accessLogging: [log]}",
        "rootNamespace: y",
        "enableAutoMtls: false",
        "trustDomain: other.local",
        "proxyHttpPort: 7071",
        "inboundTrafficPolicy: {mode: LOCALHOST}",
        "defaultServiceExportTo: ['.']",
        "serviceEntryVisibility: {applyToSidecars: true, defaultVisibility: NAMESPACE, policies: [{visibility: PUBLIC, matchingRules: [{namespaceSelector: {matchLabels: {topology.istio.io/network: home}}}]}]}",
        "defaultVirtualServiceExportTo: [y]",
        "defaultDestinationRuleExportTo: ['.']",
    ]);
    let networks = one_of(&[
        "",
        "",
        "{north: {gateways: [{address: 192.0.2.1, port: 15443}, {address: 192.0.2.2, port: 15443}]}}",
        "{south: {gateways: [{address: 192.0.2.3, port: 15443}]}, north: {endpoints: [{fromCidr: 10.1.0.0/31}]}}",
    ]);
    let text = (settings, networks).prop_map(|(settings, networks)| {
        let networks = match networks {
            "" => String::new(),
            networks => format!("  meshNetworks: '{{networks: {networks}}}'\n"),
        };
        format!("data:\n  mesh: |\n    {settings}\n{networks}")
    });
    file(&[("mesh", "istio-system/istio")], text, "apiVersion: v1\nkind: ConfigMap")
}

/// Services by which networks are reached.
fn gateways() -> BoxedStrategy<FileEdit> {
    let network = one_of(&["north", "south", "home"]);
    let address =
        one_of(&["", "{ip: 192.0.2.1}", "{ip: 192.0.2.7}, {ip: 192.0.2.1}", "{hostname: gw.example.com}"]);
    let text = |(name, network, address, gone): (&str, &str, &str, u8)| match gone {
        0 => String::new(),
        _ => format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: istio-system, labels: {{topology.istio.io/network: {network}}}}}\n\
             spec: {{clusterIP: 10.0.0.30, ports: [{{name: tls, port: 15443}}]}}\nstatus: {{loadBalancer: {{ingress: [{address}]}}}}\n"
        ),
    };
    (one_of(&["gateway-1", "gateway-2"]), network, address, 0..4u8)
        .prop_map(move |chosen| FileEdit { name: chosen.0, text: text(chosen) })
        .boxed()
}

/// In which network the cluster is.
fn namespaces() -> BoxedStrategy<FileEdit> {
    let labels = one_of(&["", "topology.istio.io/network: north", "topology.istio.io/network: home"]);
    let text = |(labels, gone): (&str, u8)| match gone {
        0 => String::new(),
        _ => format!(
            "apiVersion: v1\nkind: Namespace\nmetadata: {{name: istio-system, labels: {{{labels}}}}}\n"
        ),
    };
    (labels, 0..4u8).prop_map(move |chosen| FileEdit { name: "namespace", text: text(chosen) }).boxed()
}
