//! Connections whose bytes are forwarded: what `explain route` says of `tcp://` and `https://`, and where Envoy takes them.
//!
//! Traffic is not redirected here, so a client connects to the proxy's own listeners; TLS clients say a server name.

use crate::{
    blocks::{Block, either, fields, list, named, of, some_of, together},
    generate::NAMESPACE,
};
use anyhow::{Result, bail, ensure};
use mesh_tests::client_hello::client_hello;
use pilot_view::explain::{Endpoints, Explanation, Outcome, Request, Scene, Target};
use proptest::{
    collection::vec,
    option::weighted,
    prelude::*,
    sample::{select, subsequence},
};
use serde_json::{Value, json};
use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than any answer takes.
const WITHIN: Duration = Duration::from_secs(4);
const HOSTS: &[&str] = &["a.test", "b.test", "*.wild.test"];
const NAMES: &[&str] = &["a.test", "b.test", "x.wild.test", "y.wild.test", "other.test"];
const TCP: &[u16] = &[7001, 7002, 7003];
const TLS: &[u16] = &[7443, 7444];
const VERSIONS: &[&str] = &["v1", "v2"];
const SUBNETS: &[&str] = &["127.0.0.0/8", "127.64.0.0/10", "10.0.0.0/8"];

/// How often which kind of agreement was seen.
#[derive(Debug, Default)]
pub struct Counts {
    pub answered: usize,
    pub closed: usize,
    pub by_rule: usize,
    pub passed: usize,
}

impl Counts {
    /// Takes in one that agrees.
    pub fn add(&mut self, explanation: &Explanation) {
        self.passed += explanation.passed.len();
        self.by_rule += usize::from(explanation.rule.is_some());
        match &explanation.outcome {
            Outcome::Forwarded(targets) if targets.iter().all(Target::reachable) => self.answered += 1,
            _ => self.closed += 1,
        }
    }

    /// A generator that only makes one thing would agree on everything.
    pub fn check(&self) -> Result<()> {
        let Self { answered, closed, by_rule, passed } = self;
        ensure!(
            [answered, closed, by_rule, passed].iter().all(|seen| **seen >= 30),
            "too few of a kind: {self:?}"
        );
        Ok(())
    }
}

/// Objects without what [`generate::text`](crate::generate::text) gives them.
pub fn mesh() -> impl Strategy<Value = Vec<Value>> {
    let mut slots = Vec::new();
    for (index, host) in HOSTS.iter().enumerate() {
        slots.push(weighted(0.95, object("ServiceEntry", format!("entry-{index}"), service_entry(host))));
        let subset = |version: &'static str| {
            weighted(0.85, Just(json!({ "name": version, "labels": { "version": version } })))
        };
        let subsets: Vec<_> = VERSIONS.iter().map(|version| subset(version)).collect();
        let rule = subsets.prop_map(move |subsets| {
            json!({ "host": host, "subsets": subsets.into_iter().flatten().collect::<Value>() })
        });
        slots.push(weighted(0.95, object("DestinationRule", format!("rule-{index}"), rule.boxed())));
    }
    for index in 0..3 {
        let spec = select(HOSTS).prop_flat_map(|host| {
            let tcp = vec(route(TCP, None), 0..=2);
            let tls = vec(route(TLS, Some(host)), 0..=3);
            (tcp, tls).prop_map(move |(tcp, tls)| {
                let mut spec = json!({ "hosts": [host] });
                for (name, routes) in [("tcp", tcp), ("tls", tls)] {
                    if !routes.is_empty() {
                        spec[name] = routes.into();
                    }
                }
                spec
            })
        });
        slots.push(weighted(0.9, object("VirtualService", format!("virtual-{index}"), spec.boxed())));
    }
    slots.prop_map(|slots| slots.into_iter().flatten().collect())
}

fn service_entry(host: &'static &'static str) -> Block {
    let all: Vec<(u16, &str)> =
        TCP.iter().map(|port| (*port, "TCP")).chain(TLS.iter().map(|port| (*port, "TLS"))).collect();
    let ports = subsequence(all, 1..=TCP.len() + TLS.len());
    let versions = subsequence(VERSIONS, 0..=VERSIONS.len());
    let entry = move |(ports, versions): (Vec<(u16, &str)>, Vec<&str>)| {
        let port = |(port, protocol): (u16, &str)| json!({ "number": port, "name": format!("{}-{port}", protocol.to_lowercase()), "protocol": protocol });
        let endpoint = |version: &str| json!({ "labels": { "version": version } });
        json!({
            "hosts": [host], "location": "MESH_EXTERNAL", "resolution": "STATIC",
            "ports": ports.into_iter().map(port).collect::<Value>(),
            "endpoints": versions.into_iter().map(endpoint).collect::<Value>(),
        })
    };
    (ports, versions).prop_map(entry).boxed()
}

/// An entry of `tcp`, or of `tls` for names of `host`.
fn route(ports: &'static [u16], host: Option<&'static str>) -> Block {
    let to = fields(vec![
        ("host", 100, select(HOSTS).prop_map(|host| json!(host.replace('*', "x"))).boxed()),
        ("port", 100, of(ports).prop_map(|port| json!({ "number": port })).boxed()),
        ("subset", 50, of(&["v1", "v2", "v9"])),
    ]);
    let destination =
        (to, 1_u32..50).prop_map(|(to, weight)| json!({ "destination": to, "weight": weight })).boxed();
    let names = move |whole: bool| match host {
        None => json!({}),
        Some(host) if whole || !host.starts_with('*') => json!({ "sniHosts": [host] }),
        Some(host) => json!({ "sniHosts": [host.replace('*', "x")] }),
    };
    let part = |name: &'static str, block: Block| fields(vec![(name, 100, block)]);
    let wanted = either(vec![
        (2, part("port", of(ports))),
        (1, part("sourceLabels", named(&["app"], of(&["client", "nobody"])))),
        (1, part("sourceNamespace", of(&[NAMESPACE, "other"]))),
        (1, part("destinationSubnets", of(SUBNETS).prop_map(|range| json!([range])).boxed())),
        (1, part("gateways", some_of(&["mesh", "some/gateway"], "some/gateway"))),
    ]);
    let condition =
        together((any::<bool>(), wanted).prop_map(move |(whole, wanted)| vec![names(whole), wanted]));
    let matches = vec(condition, usize::from(host.is_some())..=2 + usize::from(host.is_some()));
    (list(destination, 1..=2), matches)
        .prop_map(|(route, matches)| match matches.is_empty() {
            true => json!({ "route": route }),
            false => json!({ "route": route, "match": matches }),
        })
        .boxed()
}

fn object(kind: &'static str, name: String, spec: Block) -> Block {
    let object = move |spec| {
        json!({
            "apiVersion": "networking.istio.io/v1", "kind": kind,
            "metadata": { "name": name, "namespace": NAMESPACE }, "spec": spec,
        })
    };
    spec.prop_map(object).boxed()
}

/// An object that nobody asks for, and that is another one each time.
pub fn mark(number: usize) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": "ServiceEntry",
        "metadata": { "name": "mark", "namespace": "marks" },
        "spec": { "hosts": [format!("mark-{number}.invalid")], "exportTo": ["."], "resolution": "STATIC", "ports": [{ "number": 80, "name": "http", "protocol": "HTTP" }] },
    })
}

/// A connection, of which a mesh may know something.
pub fn request() -> impl Strategy<Value = Request> {
    let tls = || prop_oneof![4 => select(TLS), 1 => select(TCP)];
    let tcp = || prop_oneof![4 => select(TCP), 1 => select(TLS)];
    let port = prop_oneof![
        3 => tls().prop_map(|port| ("https", port)),
        2 => tcp().prop_map(|port| ("tcp", port)),
    ];
    (port, select(NAMES)).prop_map(|((scheme, port), name)| Request {
        scheme: scheme.to_owned(),
        method: "GET".to_owned(),
        authority: format!("{name}:{port}"),
        path: "/".to_owned(),
        headers: Vec::new(),
        destination: None,
    })
}

/// Asks Envoy, and says what is different from the explanation, if anything.
pub async fn compare(
    scene: &Scene<'_>,
    request: &Request,
    proxy: IpAddr,
) -> Result<(Explanation, Option<String>)> {
    let explanation = scene.explain(request);
    let Ok(answer) = timeout(WITHIN, ask(request, SocketAddr::new(proxy, request.port()))).await else {
        return Ok((explanation, Some("neither an answer nor the end of the connection".to_owned())));
    };
    let answer = answer?;
    let targets: &[Target] = match &explanation.outcome {
        Outcome::Forwarded(targets) => targets,
        Outcome::Closed { .. } => &[],
        other => bail!("a connection is no request: {other:?}"),
    };
    let has = |endpoint: &str| {
        targets.iter().any(|target| match &target.endpoints {
            Endpoints::Known(known) => known.iter().any(|shown| shown.split(' ').next() == Some(endpoint)),
            Endpoints::Original | Endpoints::Named | Endpoints::Resolved(_) | Endpoints::Missing(_) => false,
        })
    };
    // What connects to the proxy itself has no original destination.
    let fails = |target: &Target| !target.reachable() || target.endpoints == Endpoints::Original;
    let difference = match &answer {
        Some(endpoint) if has(endpoint) => None,
        None if targets.is_empty() || targets.iter().any(fails) => None,
        found => Some(format!("found {found:?}")),
    };
    Ok((explanation, difference))
}

/// The endpoint that answers; `None`: the connection is refused or closed.
async fn ask(request: &Request, proxy: SocketAddr) -> Result<Option<String>> {
    let Ok(mut stream) = TcpStream::connect(proxy).await else { return Ok(None) };
    let first = match &*request.scheme {
        "https" => client_hello(request.host())?,
        // Longer than what is looked at to see that it is no TLS.
        _ => b"who is there, behind this port?\n".to_vec(),
    };
    let mut answer = String::new();
    let exchanged = async {
        stream.write_all(&first).await?;
        stream.read_to_string(&mut answer).await
    };
    // Closed, politely or not.
    let _ = exchanged.await;
    Ok(answer.strip_prefix("endpoint ").map(|rest| rest.trim().to_owned()))
}
