//! Where endpoints come from: names, workloads written by hand, edits.

use crate::{CLIENT, run};
use anyhow::{Context, Result, ensure};
use meltemi_local::{
    Identity,
    echo::{self, EchoHandle, EchoSpec},
};
use mesh_model::{LocalPort, Protocol};
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request, Traffic};
use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

/// Envoy asks the resolver in its own time.
const RESOLVED_WITHIN: Duration = Duration::from_secs(10);

/// An echo workload on a free port of 127.0.0.1, the only address that has a name everywhere.
async fn on_localhost() -> Result<(EchoHandle, u16)> {
    let localhost = IpAddr::from(Ipv4Addr::LOCALHOST);
    let identity = Identity {
        pod: "localhost".into(),
        namespace: "outside".into(),
        workload: "localhost".into(),
        app: "localhost".into(),
        version: "v1".into(),
    };
    let ports = vec![LocalPort { number: 0, protocol: Protocol::Http }];
    let spec = EchoSpec { identity, pod_address: localhost, application: localhost, ports };
    let echo = echo::start(spec).await?;
    let port = echo.addresses().first().context("an address")?.port();
    Ok((echo, port))
}

async fn reached_by_name(traffic: &Traffic, name: &str, resolution: &str) -> Result<()> {
    let (_echo, port) = on_localhost().await?;
    let yaml = format!(
        "apiVersion: networking.istio.io/v1\n\
         kind: ServiceEntry\n\
         metadata: {{name: {name}, namespace: traffic}}\n\
         spec:\n\
         \x20 hosts: [{name}.test]\n\
         \x20 location: MESH_EXTERNAL\n\
         \x20 resolution: {resolution}\n\
         \x20 ports: [{{number: 80, name: http, protocol: HTTP}}]\n\
         \x20 endpoints: [{{address: localhost, ports: {{http: {port}}}}}]\n"
    );
    traffic.apply(&format!("{name}.yaml"), &yaml).await?;
    let proxy = traffic.proxy(CLIENT)?;
    let request = Request::get(&format!("http://{name}.test/"))?;
    eventually(RESOLVED_WITHIN, async || {
        let answer = request.send(proxy).await?;
        ensure!(answer.status == 200 && answer.pod() == "localhost", "{}", answer.summary());
        Ok(())
    })
    .await
}

#[test]
fn dns() {
    run(async |traffic| reached_by_name(traffic, "strict-dns", "DNS").await);
}

#[test]
fn dns_round_robin() {
    run(async |traffic| reached_by_name(traffic, "logical-dns", "DNS_ROUND_ROBIN").await);
}

#[test]
fn workload_entries() {
    run(async |traffic| {
        let outside = Outside::start("entries", &BTreeMap::from([("v1".to_owned(), 2)])).await?;
        let mut yaml = String::from(
            "apiVersion: networking.istio.io/v1\n\
             kind: ServiceEntry\n\
             metadata: {name: entries, namespace: traffic}\n\
             spec:\n\
             \x20 hosts: [entries.test]\n\
             \x20 location: MESH_INTERNAL\n\
             \x20 resolution: STATIC\n\
             \x20 ports: [{number: 80, name: http, protocol: HTTP}]\n\
             \x20 workloadSelector: {labels: {app: entries}}\n",
        );
        for (index, address) in outside.addresses().into_iter().enumerate() {
            yaml += &format!(
                "---\n\
                 apiVersion: networking.istio.io/v1\n\
                 kind: WorkloadEntry\n\
                 metadata: {{name: entries-{index}, namespace: traffic}}\n\
                 spec: {{address: {address}, ports: {{http: {HTTP_PORT}}}, labels: {{app: entries}}}}\n"
            );
        }
        traffic.apply("entries.yaml", &yaml).await?;
        let report = traffic.call(CLIENT, "http://entries.test/", 60, 4).await?;
        let pods: usize = report.answered_by.iter().map(|share| share.pods).sum();
        ensure!(pods == 2 && report.codes.len() == 1 && report.codes[0].code == "200", "{report:#?}");
        Ok(())
    });
}

#[test]
fn an_endpoint_that_is_taken_out_gets_no_request() {
    run(async |traffic| {
        let outside = Outside::start("shrinks", &BTreeMap::from([("v1".to_owned(), 2)])).await?;
        let yaml = outside.service_entry("shrinks", "shrinks.test");
        traffic.apply("shrinks.yaml", &yaml).await?;
        let last = outside.addresses().pop().context("an address")?;
        let fewer: String = yaml
            .lines()
            .filter(|line| !line.contains(&last.to_string()))
            .flat_map(|line| [line, "\n"])
            .collect();
        traffic.apply("shrinks.yaml", &fewer).await?;
        let report = traffic.call(CLIENT, "http://shrinks.test/", 40, 2).await?;
        ensure!(report.answered_by.len() == 1 && report.answered_by[0].pods == 1, "{report:#?}");
        Ok(())
    });
}

#[test]
fn what_is_removed_is_gone() {
    run(async |traffic| {
        let outside = Outside::start("removed", &BTreeMap::from([("v1".to_owned(), 1)])).await?;
        let yaml = outside.service_entry("removed", "removed.test");
        traffic.apply("removed.yaml", &yaml).await?;
        let (proxy, request) = (traffic.proxy(CLIENT)?, Request::get("http://removed.test/")?);
        ensure!(request.send(proxy).await?.status == 200);
        traffic.remove("removed.yaml").await?;
        let answer = request.send(proxy).await?;
        ensure!(answer.status != 200, "{}", answer.summary());
        Ok(())
    });
}
