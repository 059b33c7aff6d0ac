//! `explain route` where traffic is redirected: which listener and chain, which rules are for others, and why a request gets nowhere.
//! What Envoy does with routes is `agreement`'s.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use pilot_ingest::Settings;
use pilot_view::explain::{ClientTarget, Explanation, Request, Scene, choose, proxy_of};

const MESH: &str = r#"
apiVersion: v1
kind: Pod
metadata: { name: client-0, namespace: shop, labels: { app: client } }
status: { podIP: 10.1.0.1, phase: Running }
---
apiVersion: v1
kind: Service
metadata: { name: web, namespace: shop }
spec: { clusterIP: 10.2.0.1, ports: [{ name: http, port: 80 }, { name: tcp-admin, port: 9000 }, { port: 7000, name: any }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: bank, namespace: shop }
spec:
  hosts: [bank.example.com]
  location: MESH_EXTERNAL
  resolution: DNS
  ports: [{ number: 443, name: tls, protocol: TLS }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: web, namespace: shop }
spec:
  hosts: [web]
  http:
  - match:
    - { sourceLabels: { app: other } }
    - { sourceNamespace: elsewhere, port: 81 }
    - { uri: { prefix: /api }, headers: { x-user: { regex: "ad.*" } }, queryParams: { id: { exact: "1" } } }
    route: [{ destination: { host: web, subset: v1 } }]
  - name: old
    match: [{ uri: { exact: /old } }]
    redirect: { uri: /new, authority: web.example.com }
  - match: [{ uri: { prefix: /team } }]
    delegate: { name: team }
  - fault: { abort: { httpStatus: 418, percentage: { value: 50 } } }
    route: [{ destination: { host: web, port: { number: 81 } } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: team, namespace: shop }
spec:
  http:
  - match: [{ method: { exact: PUT } }]
    route: [{ destination: { host: web } }]
  - directResponse: { status: 204 }
"#;

/// Connections that are routed: in the order in which they are written, except where a name is more specific.
const ROUTED: &str = r#"
---
apiVersion: v1
kind: Service
metadata: { name: queue, namespace: shop }
spec: { clusterIP: 10.2.0.3, ports: [{ name: tcp, port: 5672 }] }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: queue, namespace: shop }
spec:
  hosts: [queue]
  tcp:
  - match: [{ sourceLabels: { app: other } }, { port: 5673 }]
    route: [{ destination: { host: queue, subset: v1 } }]
  - match: [{ destinationSubnets: [10.9.0.0/16] }]
    route: [{ destination: { host: queue, subset: v1 } }]
  - route: [{ destination: { host: queue, subset: v2 } }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: vault, namespace: shop }
spec:
  hosts: ["*.vault.example.com"]
  location: MESH_EXTERNAL
  resolution: NONE
  ports: [{ number: 8200, name: tls, protocol: TLS }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: vault, namespace: shop }
spec:
  hosts: ["*.vault.example.com"]
  tls:
  - match: [{ sniHosts: [b.vault.example.com] }]
    route: [{ destination: { host: x.vault.example.com, subset: v2 } }]
  - match: [{ sniHosts: ["*.vault.example.com"] }]
    route: [{ destination: { host: x.vault.example.com } }]
  - match: [{ port: 1, sniHosts: [c.vault.example.com] }, { sniHosts: [a.vault.example.com] }]
    route: [{ destination: { host: x.vault.example.com, subset: v1 } }]
"#;

/// Who takes mTLS, and who takes nothing else.
const SECURED: &str = r#"
---
apiVersion: v1
kind: Service
metadata: { name: safe, namespace: shop }
spec: { clusterIP: 10.2.0.9, selector: { app: safe }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: safe-0, namespace: shop, labels: { app: safe, security.istio.io/tlsMode: istio } }
spec: { serviceAccountName: keeper, containers: [{ name: app, image: example.com/app }] }
status: { podIP: 10.1.0.8, phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: v1
kind: Pod
metadata: { name: safe-1, namespace: shop, labels: { app: safe } }
spec: { containers: [{ name: app, image: example.com/app }] }
status: { podIP: 10.1.0.9, phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: shop }
spec: { mtls: { mode: STRICT } }
---
apiVersion: v1
kind: Service
metadata: { name: own, namespace: shop }
spec: { clusterIP: 10.2.0.10, selector: { app: own }, ports: [{ name: http, port: 80, targetPort: 8443 }] }
---
apiVersion: v1
kind: Pod
metadata: { name: own-0, namespace: shop, labels: { app: own } }
spec: { containers: [{ name: app, image: example.com/app }] }
status: { podIP: 10.1.0.10, phase: Running, conditions: [{ type: Ready, status: "True" }] }
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: own, namespace: shop }
spec:
  workloadSelector: { labels: { app: own } }
  ingress:
    - port: { number: 8443, protocol: HTTPS, name: https }
      tls: { mode: SIMPLE, serverCertificate: /etc/certs/chain.pem, privateKey: /etc/certs/key.pem }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: own, namespace: shop }
spec: { selector: { matchLabels: { app: own } }, mtls: { mode: DISABLE } }
"#;

fn explain(url: &str, headers: &[(&str, &str)]) -> Explanation {
    explain_in(&[MESH, ROUTED, SECURED].concat(), url, headers)
}

fn explain_in(mesh: &str, url: &str, headers: &[(&str, &str)]) -> Explanation {
    explain_to(mesh, None, url, headers)
}

fn explain_to(
    mesh: &str,
    destination: Option<ClientTarget>,
    url: &str,
    headers: &[(&str, &str)],
) -> Explanation {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("mesh.yaml"), mesh).unwrap();
    let (mesh, report) = pilot_ingest::load(directory.path(), Settings::default()).unwrap();
    let mut request = Request { destination, ..Request::get(url).unwrap() };
    request.headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let proxies: Vec<_> = mesh.workloads().map(|workload| proxy_of(workload)).collect();
    let proxy = choose(&proxies, "client").unwrap();
    Scene::new(&mesh, proxy, &|object| report.sources.get(object).cloned()).explain(&request)
}

/// Each of `parts` is in the text of the explanation, in this order.
fn assert_says(explanation: &Explanation, parts: &[&str]) {
    let text = explanation.to_string();
    let mut rest = text.as_str();
    for part in parts {
        let Some(at) = rest.find(part) else { panic!("`{part}` is missing, or not in its place:\n{text}") };
        rest = &rest[at + part.len()..];
    }
}

#[test]
fn every_rule_says_why_it_does_not_match() {
    let explanation = explain("http://web/api?id=2", &[("x-user", "bob")]);
    assert_says(
        &explanation,
        &[
            "listener 0.0.0.0_80\n  the connection goes to 10.2.0.1:80",
            "virtual host web.shop.svc.cluster.local:80 in route configuration 80, by its domain web\n",
            "not spec.http[0].match[0] of VirtualService shop/web (mesh.yaml:",
            "the client has the label app=client, not other\n",
            "not spec.http[0].match[1]",
            "the port is 80, not 81\n",
            "the client is in namespace shop, not elsewhere\n",
            "not spec.http[0].match[2]",
            "header x-user is `bob`, not one that matches ad.*\n",
            "query parameter id is `2`, not `1`\n",
            "not spec.http[1].match[0] `old`",
            "path /api is not /old\n",
            "rule spec.http[3] of VirtualService shop/web",
            "fault: 50% of the requests are answered 418\n",
            "=> cluster outbound|81||web.shop.svc.cluster.local\n  503: web.shop.svc.cluster.local has no port 81, only 80, 9000, 7000\n",
        ],
    );
}

#[test]
fn subsets_that_nobody_defines_and_redirects() {
    let explanation = explain("http://web.shop/api/x?id=1", &[("x-user", "bob"), ("x-user", "ada")]);
    assert_says(
        &explanation,
        &[
            "by its domain web.shop\n",
            "rule spec.http[0].match[2]",
            "503: no DestinationRule that applies here has a subset `v1`",
        ],
    );
    let explanation = explain("http://web/old?a=b", &[]);
    assert_says(
        &explanation,
        &["rule spec.http[1].match[0] `old`", "=> 301, redirected to http://web.example.com/new?a=b\n"],
    );
}

#[test]
fn rules_that_another_one_writes() {
    let explanation = explain("http://web/team", &[]);
    assert_says(
        &explanation,
        &[
            "not spec.http[2].match[0] of VirtualService shop/web (mesh.yaml:",
            ", handed over to spec.http[0] of VirtualService shop/team (mesh.yaml:",
            "header :method is `GET`, not `PUT`\n",
            "rule spec.http[2].match[0] of VirtualService shop/web",
            ", handed over to spec.http[1] of VirtualService shop/team",
            "=> 204: ",
        ],
    );
}

#[test]
fn connections_that_are_not_requests() {
    let explanation = explain("tcp://web:9000", &[]);
    assert_says(
        &explanation,
        &[
            "listener 10.2.0.1_9000",
            "has a listener of its own",
            "=> cluster outbound|9000||web.shop",
            "503: it has no endpoints",
        ],
    );
    // A port that does not say what it speaks: requests are told from other bytes.
    let explanation = explain("http://web:7000/", &[]);
    assert_says(
        &explanation,
        &["listener 10.2.0.1_7000", "virtual host web.shop.svc.cluster.local:7000", "=> cluster"],
    );
    let explanation = explain("tcp://web:7000", &[]);
    assert_says(
        &explanation,
        &["listener 10.2.0.1_7000, chain PassthroughFilterChain", "=> cluster outbound|7000||web.shop"],
    );
    assert!(explanation.virtual_host.is_none());
    let explanation = explain("https://bank.example.com/", &[]);
    assert_says(
        &explanation,
        &[
            "listener 0.0.0.0_443, chain",
            "=> cluster outbound|443||bank.example.com",
            "what DNS says of bank.example.com:443",
        ],
    );
}

#[test]
fn connections_that_rules_route() {
    let explanation = explain("tcp://queue:5672", &[]);
    assert_says(
        &explanation,
        &[
            "listener 10.2.0.3_5672",
            "not spec.tcp[0].match[0] of VirtualService shop/queue (mesh.yaml:",
            "the client has the label app=client, not other\n",
            "not spec.tcp[0].match[1]",
            "the port is 5672, not 5673\n",
            "not spec.tcp[1].match[0]",
            "the address is 10.2.0.3, not in 10.9.0.0/16\n",
            "rule spec.tcp[2] of VirtualService shop/queue",
            "=> cluster outbound|5672|v2|queue.shop",
        ],
    );
    let explanation = explain("https://a.vault.example.com:8200/", &[]);
    assert_says(
        &explanation,
        &[
            "not spec.tls[0].match[0] of VirtualService shop/vault",
            "the server name is a.vault.example.com, not b.vault.example.com\n",
            "not spec.tls[1].match[0]",
            "a rule for a more specific name or address takes the connection\n",
            "rule spec.tls[2].match[1]",
            "=> cluster outbound|8200|v1|",
        ],
    );
}

#[test]
fn what_nobody_knows_goes_where_it_meant_to() {
    let explanation = explain("https://www.example.org/", &[]);
    assert_says(
        &explanation,
        &[
            "listener 0.0.0.0_443, chain PassthroughFilterChain",
            "=> cluster PassthroughCluster\n  to the address that the client connects to",
        ],
    );
    let explanation = explain("http://www.example.org:8080/", &[]);
    assert_says(&explanation, &["listener virtualOutbound", "=> cluster PassthroughCluster"]);
    let explanation = explain("http://web:8080/", &[]);
    assert_says(
        &explanation,
        &["web.shop.svc.cluster.local has only the ports 80, 9000, 7000\n", "=> cluster PassthroughCluster"],
    );
    let explanation = explain("https://web:80/", &[]);
    assert_says(
        &explanation,
        &["=> no connection: listener 0.0.0.0_80 expects plain HTTP, and https is not that"],
    );
}

/// Where names are looked up, requests on ports that no service has go by the name that they ask for, and all else where it meant to.
#[test]
fn what_nobody_knows_is_looked_up() {
    let settings = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: { name: istio, namespace: istio-system }\n\
                    data: { mesh: \"outboundTrafficPolicy: { mode: ALLOW_ANY_DYNAMIC_DNS }\" }\n";
    let mesh = [MESH, settings].concat();
    assert_says(
        &explain_in(&mesh, "http://www.example.org:8080/", &[]),
        &[
            "listener virtualOutbound, chain virtualOutbound-catchall-http\n",
            "where no service that is seen from here listens",
            "ALLOW_ANY_DYNAMIC_DNS: the name that the request asks for is looked up",
            "=> cluster AllowAnyDynamicDNSCluster\n",
        ],
    );
    // On a port that services share it is looked up, too.
    assert_says(
        &explain_in(&mesh, "http://www.example.org/", &[]),
        &["listener 0.0.0.0_80\n", "ALLOW_ANY_DYNAMIC_DNS", "=> cluster AllowAnyDynamicDNSCluster\n"],
    );
    // Nobody looks for requests where servers speak first.
    for url in ["http://www.example.org:3306/", "tcp://www.example.org:7777", "https://www.example.org:7777/"]
    {
        assert_says(
            &explain_in(&mesh, url, &[]),
            &["chain virtualOutbound-catchall-tcp\n", "=> cluster PassthroughCluster\n"],
        );
    }
}

#[test]
fn who_is_spoken_to_over_mtls_and_what_they_take() {
    assert_says(
        &explain("http://safe/", &[]),
        &[
            "security: mTLS on connections to endpoints that take it; the server must be spiffe://cluster.local/ns/shop/sa/",
            "PeerAuthentication shop/strict: port 8080 of shop takes mTLS alone\n",
            "this client speaks plaintext: such connections are closed",
            "10.1.0.8:8080 safe-0.shop over mTLS\n",
            "10.1.0.9:8080 safe-1.shop\n",
        ],
    );
    assert_says(
        &explain("http://own/", &[]),
        &[
            "PeerAuthentication shop/own: port 8443 of shop takes no TLS of the mesh, but that of its Sidecar, which this client does not speak",
        ],
    );
}

#[test]
fn what_a_policy_comes_to_is_said_in_words() {
    let policy = r#"
---
apiVersion: v1
kind: Service
metadata: { name: plain, namespace: shop }
spec: { clusterIP: 10.2.0.20, ports: [{ name: http, port: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: plain, namespace: shop }
spec:
  host: plain
  trafficPolicy:
    loadBalancer: { consistentHash: { httpCookie: { name: user, ttl: 60s } } }
    connectionPool: { tcp: { maxConnections: 7, connectTimeout: 2s }, http: { http1MaxPendingRequests: 3 } }
    outlierDetection: { consecutive5xxErrors: 4, baseEjectionTime: 20s, maxEjectionPercent: 50 }
    tls: { mode: DISABLE }
"#;
    let explanation = explain_in(&[MESH, policy].concat(), "http://plain/", &[]);
    assert_says(
        &explanation,
        &[
            "load balancing: by a hash of the cookie user, which the proxy gives for 60s to clients that have none, on a ring of at least 1024 places\n",
            "connection pool: at most 7 connections, 2s to connect, at most 3 requests wait for a connection\n",
            "outlier detection: after 4 errors (5xx) in a row an endpoint is left out for 20s, or longer each time, but never more than 50% of all\n",
            "security: plaintext\n",
        ],
    );
    let json = serde_json::to_string(&explanation).unwrap();
    assert!(json.contains("at most 7 connections") && json.contains("security: plaintext"), "{json}");
}

/// Whoever connects to a socket means no port by that: requests name one, and bytes go to the one service there.
#[test]
fn sockets_of_the_proxy() {
    let sidecar = r#"
---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: { name: client, namespace: shop }
spec:
  egress:
  - { port: { protocol: HTTP, name: http }, bind: "unix:///run/mesh.sock", hosts: ["./*"] }
  - { port: { protocol: TCP, name: tcp }, bind: "unix://@queue", hosts: [./queue.shop.svc.cluster.local] }
"#;
    let mesh = [MESH, ROUTED, sidecar].concat();
    let ask = |socket: &str, url: &str| explain_to(&mesh, Some(socket.parse().unwrap()), url, &[]);
    assert_says(
        &ask("unix:///run/mesh.sock", "http://web/old"),
        &[
            "listener unix:///run/mesh.sock\n  the client connects to the socket /run/mesh.sock",
            "virtual host web.shop.svc.cluster.local:80 in route configuration unix:%2Frun%2Fmesh.sock",
            "rule spec.http[1].match[0] `old`",
        ],
    );
    assert_says(
        &ask("unix:///run/mesh.sock", "http://nobody.example.com/"),
        &["outboundTrafficPolicy is ALLOW_ANY", "=> 503: whoever connects to a socket"],
    );
    assert_says(
        &ask("unix://@queue", "tcp://queue:1"),
        &[
            "listener unix://@queue",
            "not spec.tcp[0].match[1]",
            "the port is 5672, not 5673\n",
            "not spec.tcp[1].match[0]",
            "the client connects to a socket, not to an address\n",
            "rule spec.tcp[2]",
            "=> cluster outbound|5672|v2|queue.shop",
        ],
    );
    assert_says(
        &ask("unix:///run/other.sock", "http://web/"),
        &["has the proxy listen at the socket /run/other.sock"],
    );
    assert!("relative.sock".parse::<ClientTarget>().is_err());
}

/// Clusters that balance over nothing say where requests go instead.
#[test]
fn where_no_balancer_is_requests_go_where_they_meant_to() {
    let others = r#"
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: shop }
spec: { clusterIP: None, selector: { app: client }, ports: [{ name: http, port: 80, targetPort: 80 }] }
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: anywhere, namespace: shop }
spec:
  hosts: ["*.example.org"]
  resolution: DYNAMIC_DNS
  ports: [{ number: 80, name: http, protocol: HTTP }]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: as-meant, namespace: shop }
spec:
  hosts: [meant.example.com]
  addresses: [192.0.2.1]
  resolution: NONE
  ports: [{ number: 80, name: http, protocol: HTTP, targetPort: 8080 }]
"#;
    let mesh = [MESH, others].concat();
    let address = "load balancing: none: to the address that the client connects to";
    for (url, says) in [
        ("http://headless/", format!("{address}\n")),
        ("http://meant.example.com/", format!("{address}, on port 8080\n")),
        (
            "http://any.example.org/",
            "load balancing: none: to the name that is asked for, which the proxy looks up\n".to_owned(),
        ),
    ] {
        assert_says(&explain_in(&mesh, url, &[]), &["=> cluster outbound|80||", &says]);
    }
}
