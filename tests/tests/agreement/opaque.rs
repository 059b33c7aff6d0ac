//! Connections whose bytes are forwarded: what `explain route` says of `tcp://` and `https://`, and where Envoy takes them.
//!
//! Traffic is not redirected here, so a client connects to the proxy's own listeners; TLS clients say a server name.

use crate::{generate::NAMESPACE, random::Random};
use anyhow::{Result, bail, ensure};
use mesh_tests::client_hello::client_hello;
use pilot_view::explain::{Endpoints, Explanation, Outcome, Request, Scene, Target};
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

/// Another mesh: JSON documents, which are YAML.
pub fn mesh(random: &mut Random, stubs: &[SocketAddr]) -> String {
    let mut used = 0;
    let mut stub = || {
        used += 1;
        stubs[used % stubs.len()]
    };
    let mut objects = Vec::new();
    for (index, host) in HOSTS.iter().enumerate() {
        let ports: Vec<(u16, &str)> = TCP
            .iter()
            .map(|port| (*port, "TCP"))
            .chain(TLS.iter().map(|port| (*port, "TLS")))
            .filter(|_| random.chance(60))
            .collect();
        if ports.is_empty() {
            continue;
        }
        let name = |port: u16, protocol: &str| format!("{}-{port}", protocol.to_lowercase());
        let endpoints: Vec<Value> = VERSIONS
            .iter()
            .filter(|_| random.chance(85))
            .map(|version| {
                let address = stub();
                let at: serde_json::Map<String, Value> = ports
                    .iter()
                    .map(|(port, protocol)| (name(*port, protocol), stub().port().into()))
                    .collect();
                json!({ "address": address.ip().to_string(), "ports": at, "labels": { "version": version } })
            })
            .collect();
        let ports: Vec<Value> = ports
            .iter()
            .map(|(port, protocol)| json!({ "number": port, "name": name(*port, protocol), "protocol": protocol }))
            .collect();
        objects.push(object(
            "ServiceEntry",
            &format!("entry-{index}"),
            json!({
                "hosts": [host], "location": "MESH_EXTERNAL", "resolution": "STATIC",
                "ports": ports, "endpoints": endpoints,
            }),
        ));
        let subsets: Vec<Value> = VERSIONS
            .iter()
            .filter(|_| random.chance(85))
            .map(|version| json!({ "name": version, "labels": { "version": version } }))
            .collect();
        objects.push(object(
            "DestinationRule",
            &format!("rule-{index}"),
            json!({ "host": host, "subsets": subsets }),
        ));
    }
    for index in 0..3 {
        let host = *random.of(HOSTS);
        let tcp: Vec<Value> = (0..random.below(3)).map(|_| route(random, TCP, None)).collect();
        let tls: Vec<Value> = (0..random.below(4)).map(|_| route(random, TLS, Some(host))).collect();
        let mut spec = json!({ "hosts": [host] });
        if !tcp.is_empty() {
            spec["tcp"] = tcp.into();
        }
        if !tls.is_empty() {
            spec["tls"] = tls.into();
        }
        if spec.get("tcp").is_some() || spec.get("tls").is_some() {
            objects.push(object("VirtualService", &format!("virtual-{index}"), spec));
        }
    }
    let documents: Vec<String> = objects.iter().map(Value::to_string).collect();
    documents.join("\n---\n")
}

/// An entry of `tcp`, or of `tls` for names of `host`.
fn route(random: &mut Random, ports: &[u16], host: Option<&str>) -> Value {
    let destinations: Vec<Value> = (0..1 + random.below(2))
        .map(|_| {
            let mut destination = json!({
                "host": random.of(HOSTS).replace('*', "x"),
                "port": { "number": random.of(ports) },
            });
            if random.chance(50) {
                destination["subset"] = (*random.of(&["v1", "v2", "v9"])).into();
            }
            json!({ "destination": destination, "weight": 1 + random.below(50) })
        })
        .collect();
    let mut route = json!({ "route": destinations });
    let matches: Vec<Value> = (0..random.below(3) + usize::from(host.is_some()))
        .map(|_| {
            let mut condition = json!({});
            if let Some(host) = host {
                let names: Vec<String> = match host.strip_prefix("*.") {
                    None => vec![host.to_owned()],
                    Some(rest) if random.chance(50) => vec![format!("x.{rest}")],
                    Some(_) => vec![host.to_owned()],
                };
                condition["sniHosts"] = names.into();
            }
            match random.below(5) {
                0 => condition["sourceLabels"] = json!({ "app": random.of(&["client", "nobody"]) }),
                1 => condition["sourceNamespace"] = (*random.of(&[NAMESPACE, "other"])).into(),
                2 => condition["destinationSubnets"] = json!([random.of(SUBNETS)]),
                _ => condition["port"] = json!(random.of(ports)),
            }
            condition
        })
        .collect();
    if !matches.is_empty() {
        route["match"] = matches.into();
    }
    route
}

fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1", "kind": kind,
        "metadata": { "name": name, "namespace": NAMESPACE }, "spec": spec,
    })
}

/// A connection, of which the mesh may know something.
pub fn request(random: &mut Random) -> Request {
    let scheme = if random.chance(60) { "https" } else { "tcp" };
    let port = if random.chance(20) == (scheme == "https") { random.of(TCP) } else { random.of(TLS) };
    Request {
        scheme: scheme.to_owned(),
        method: "GET".to_owned(),
        authority: format!("{}:{port}", random.of(NAMES)),
        path: "/".to_owned(),
        headers: Vec::new(),
        destination: None,
    }
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
