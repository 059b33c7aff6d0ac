//! VirtualService routes for connections, and copies of requests: what cannot be seen in one answer.

use crate::{CLIENT, run};
use anyhow::{Context, Result, ensure};
use meltemi_local::call::Report;
use mesh_testkit::eventually;
use mesh_tests::{
    client_hello::client_hello,
    traffic::{Outside, Request},
};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Longer than anything here takes.
const WITHIN: Duration = Duration::from_secs(20);

/// A service beside `app` with ports of its own, so that its routes are nobody else's business.
const ROUTED: &str = "
apiVersion: v1
kind: Service
metadata: {name: routed, namespace: traffic}
spec:
  selector: {app: app}
  ports:
    - {name: tcp-split, port: 9100, targetPort: 9090}
    - {name: tcp-caller, port: 9101, targetPort: 9090}
    - {name: tcp-other, port: 9102, targetPort: 9090}
    - {name: tcp-near, port: 9103, targetPort: 9090}
    - {name: tcp-far, port: 9104, targetPort: 9090}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: routed, namespace: traffic}
spec:
  host: routed
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: routed, namespace: traffic}
spec:
  hosts: [routed]
  tcp:
    - match: [{port: 9100}]
      route:
        - {destination: {host: routed, port: {number: 9100}, subset: v1}, weight: 20}
        - {destination: {host: routed, port: {number: 9100}, subset: v2}, weight: 80}
    - match: [{port: 9101, sourceLabels: {app: somebody-else}}, {port: 9101, sourceNamespace: elsewhere}]
      route: [{destination: {host: routed, port: {number: 9101}, subset: v1}}]
    - match: [{port: 9101, sourceLabels: {app: client}, gateways: [mesh]}]
      route: [{destination: {host: routed, port: {number: 9101}, subset: v2}}]
    - match: [{port: 9103, sourceSubnet: 10.0.0.0/8}]
      route: [{destination: {host: routed, port: {number: 9103}, subset: v2}}]
    - match: [{port: 9103, sourceSubnet: 127.0.0.0/8}]
      route: [{destination: {host: routed, port: {number: 9103}, subset: v1}}]
    - match: [{port: 9104, destinationSubnets: [10.0.0.0/8]}]
      route: [{destination: {host: routed, port: {number: 9104}, subset: v2}}]
    - match: [{port: 9104, destinationSubnets: [127.0.0.0/8]}]
      route: [{destination: {host: routed, port: {number: 9104}, subset: v1}}]
";

/// How many connections each version took.
fn versions(report: &Report) -> Result<BTreeMap<String, usize>> {
    ensure!(report.errors.is_empty(), "{report:#?}");
    Ok(report.answered_by.iter().map(|share| (share.version.clone(), share.count)).collect())
}

#[test]
fn tcp_goes_by_port_caller_and_weight() {
    run(async |traffic| {
        traffic.apply("routed.yaml", ROUTED).await?;
        let split = versions(&traffic.call(CLIENT, "tcp://routed:9100", 500, 8).await?)?;
        // Four in five of 500: 60 off is over six standard deviations.
        let second = split.get("v2").copied().unwrap_or_default();
        ensure!((340..=460).contains(&second) && split.len() == 2, "{split:?}");
        let caller = versions(&traffic.call(CLIENT, "tcp://routed:9101", 40, 4).await?)?;
        ensure!(caller.keys().eq(["v2"]), "{caller:?}");
        // Everybody here calls from the loopback network.
        let near = versions(&traffic.call(CLIENT, "tcp://routed:9103", 40, 4).await?)?;
        ensure!(near.keys().eq(["v1"]), "{near:?}");
        // And calls the proxy there.
        let far = versions(&traffic.call(CLIENT, "tcp://routed:9104", 40, 4).await?)?;
        ensure!(far.keys().eq(["v1"]), "{far:?}");
        // No route is about this port: it goes to the service.
        let other = versions(&traffic.call(CLIENT, "tcp://routed:9102", 60, 4).await?)?;
        ensure!(other.len() == 2, "{other:?}");
        traffic.remove("routed.yaml").await
    });
}

/// Copies to the other version, all or none.
const MIRRORED: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: mirrored, namespace: traffic}
spec:
  hosts: [mirrored.test]
  http:
    - match: [{uri: {prefix: /not}}]
      route: [{destination: {host: mirrored.test, subset: v1}}]
      mirror: {host: mirrored.test, subset: v2}
      mirrorPercentage: {value: 0}
    - route: [{destination: {host: mirrored.test, subset: v1}}]
      mirrors: [{destination: {host: mirrored.test, subset: v2}}]
";

#[test]
fn mirrors_get_copies_and_nobody_hears_their_answers() {
    run(async |traffic| {
        let one_of_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
        let outside = Outside::start("mirrored", &one_of_each).await?;
        let (service, subsets) = (
            outside.service_entry("mirrored", "mirrored.test"),
            outside.subsets("mirrored", "mirrored.test"),
        );
        traffic.apply("mirrored.yaml", &format!("{service}---\n{subsets}---\n{MIRRORED}")).await?;
        let proxy = traffic.proxy(CLIENT)?;
        for path in ["not", "copied"] {
            for _ in 0..20 {
                let answer = Request::get(&format!("http://mirrored.test/{path}"))?.send(proxy).await?;
                ensure!(answer.status == 200 && answer.version() == "v1", "{}", answer.summary());
            }
        }
        // A copy is on its way for a while longer than the request.
        let all_there = || async {
            match outside.requests() {
                60 => Ok(()),
                requests => Err(anyhow::anyhow!("{requests} requests and copies, expected 40 and 20")),
            }
        };
        eventually(WITHIN, all_there).await.context("copies")?;
        traffic.remove("mirrored.yaml").await
    });
}

/// Copies to a port that is named; nobody listens on the one that is called.
const COPIED_TO: &str = "
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: copied-to, namespace: traffic}
spec:
  hosts: [copied-to.test]
  http:
    - match: [{uri: {prefix: /one}}]
      route: [{destination: {host: copied-to.test, port: {number: 80}, subset: v1}}]
      mirror: {host: copied-to.test, port: {number: 80}, subset: v2}
    - route: [{destination: {host: copied-to.test, port: {number: 80}, subset: v1}}]
      mirrors: [{destination: {host: copied-to.test, port: {number: 80}, subset: v2}}]
";

#[test]
fn copies_go_to_the_port_that_is_named() {
    run(async |traffic| {
        let one_of_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
        let outside = Outside::start("copied-to", &one_of_each).await?;
        let service = outside.service_entry("copied-to", "copied-to.test").replace(
            "ports: [",
            "ports: [{number: 7180, name: http-nobody, protocol: HTTP, targetPort: 1}, ",
        );
        let subsets = outside.subsets("copied-to", "copied-to.test");
        traffic.apply("copied-to.yaml", &format!("{service}---\n{subsets}---\n{COPIED_TO}")).await?;
        for (path, after) in [("one", 20), ("several", 40)] {
            for _ in 0..10 {
                let request = Request::get(&format!("http://copied-to.test:7180/{path}"))?;
                let answer = request.send(traffic.proxy(CLIENT)?).await?;
                ensure!(answer.status == 200 && answer.version() == "v1", "{}", answer.summary());
            }
            eventually(WITHIN, async || {
                let requests = outside.requests();
                ensure!(requests == after, "{requests} requests and copies, expected {after}");
                Ok(())
            })
            .await
            .context(path)?;
        }
        traffic.remove("copied-to.yaml").await
    });
}

/// One port, told apart by server name.
const BY_NAME: &str = "
apiVersion: v1
kind: Service
metadata: {name: by-name, namespace: traffic}
spec:
  selector: {app: app}
  ports: [{name: tls, port: 9443, targetPort: 9090}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: by-name, namespace: traffic}
spec:
  hosts: [by-name, \"*.by-name.test\"]
  gateways: [mesh, outer]
  tls:
    - match: [{sniHosts: [outer.by-name.test], gateways: [outer]}]
      route: [{destination: {host: by-name, port: {number: 9443}, subset: none}}]
    - match: [{port: 9443, sniHosts: [empty.by-name.test]}]
      route: [{destination: {host: by-name, port: {number: 9443}, subset: none}}]
    - match: [{sniHosts: [labels.by-name.test], sourceLabels: {app: somebody-else}}]
      route: [{destination: {host: by-name, port: {number: 9443}, subset: none}}]
    - match: [{sniHosts: [namespace.by-name.test], sourceNamespace: elsewhere}]
      route: [{destination: {host: by-name, port: {number: 9443}, subset: none}}]
    - match: [{sniHosts: [subnets.by-name.test], destinationSubnets: [10.0.0.0/8]}]
      route: [{destination: {host: by-name, port: {number: 9443}, subset: none}}]
    - match: [{sniHosts: [weights.by-name.test]}]
      route:
        - {destination: {host: by-name, port: {number: 9443}}, weight: 0}
        - {destination: {host: by-name, port: {number: 9443}, subset: none}, weight: 100}
    - match: [{sniHosts: [\"*.by-name.test\"]}]
      route: [{destination: {host: by-name, port: {number: 9443}}}]
";

#[test]
fn tls_goes_by_server_name() {
    run(async |traffic| {
        traffic.apply("by-name.yaml", BY_NAME).await?;
        let port = SocketAddr::new(traffic.proxy(CLIENT)?.ip(), 9443);
        // Nobody on the way has a certificate: what comes back has been at the workload, which sends back everything.
        ensure!(comes_back(port, "a.by-name.test").await?, "by wildcard");
        ensure!(comes_back(port, "outer.by-name.test").await?, "what is for a gateway is not for sidecars");
        // What is for other callers, or for another address, is not for these.
        for name in ["labels", "namespace", "subnets"] {
            ensure!(comes_back(port, &format!("{name}.by-name.test")).await?, "{name}");
        }
        for _ in 0..10 {
            ensure!(!comes_back(port, "weights.by-name.test").await?, "a weight of nothing");
        }
        // A more specific name leads to a subset that nobody has, and a name that is not routed leads nowhere.
        ensure!(!comes_back(port, "empty.by-name.test").await?, "to no endpoint");
        ensure!(!comes_back(port, "other.test").await?, "by another name");
        traffic.remove("by-name.yaml").await
    });
}

/// Whether the first message of a TLS client gets to a workload.
async fn comes_back(port: SocketAddr, name: &str) -> Result<bool> {
    let hello = client_hello(name)?;
    let mut stream = TcpStream::connect(port).await?;
    stream.write_all(&hello).await?;
    let mut echo = vec![0; hello.len()];
    match timeout(WITHIN, stream.read_exact(&mut echo)).await? {
        Ok(_) => Ok(echo == hello),
        // Closed, politely or not.
        Err(_) => Ok(false),
    }
}
