//! Edits under load: no request may notice.

use crate::{CLIENT, figures, run};
use anyhow::ensure;
use mesh_tests::traffic::{Load, Outside};
use std::{collections::BTreeMap, fmt::Write};

/// So many edits while requests are sent.
const EDITS: usize = 25;
/// Requests a second.
const RATE: u32 = 500;
/// Requests after each step, at least.
const AFTER_EACH: usize = 300;
/// So many requests at least.
const REQUESTS: usize = 2_000;

#[test]
fn weights_and_subsets_change_without_a_failed_request() {
    run(async |traffic| {
        let versions = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
        let outside = Outside::start("reload", &versions).await?;
        let service = outside.service_entry("reload", "reload.test");
        traffic.apply("reload.yaml", &generation(&service, 0)).await?;
        let load = Load::start(traffic.proxy(CLIENT)?, "http://reload.test/", RATE)?;
        let mut edits = 0;
        while edits < EDITS || load.sent() < REQUESTS {
            edits += 1;
            // Each names subsets of its own, so that clusters come and go with the routes that use them.
            traffic.apply("reload.yaml", &generation(&service, edits)).await?;
        }
        let outcome = load.stop().await?;
        ensure!(outcome.failures.is_empty(), "{outcome:#?}");
        ensure!(outcome.ok >= REQUESTS, "{outcome:#?}");
        figures::tell("reload-subsets", &format!("{}, none failed", outcome.rate()?))
    });
}

#[test]
fn endpoints_come_and_go_without_a_failed_request() {
    run(async |traffic| {
        let outside = Outside::start("scaled", &BTreeMap::from([("v1".to_owned(), 4)])).await?;
        let service = outside.service_entry("scaled", "scaled.test");
        let routes = "---\n\
            apiVersion: networking.istio.io/v1\n\
            kind: VirtualService\n\
            metadata: {name: scaled, namespace: traffic}\n\
            spec:\n\
            \x20 hosts: [scaled.test]\n\
            \x20 http: [{retries: {attempts: 0}, route: [{destination: {host: scaled.test}}]}]\n";
        let addresses: Vec<String> = outside.addresses().iter().map(ToString::to_string).collect();
        // Without the endpoint whose turn it is.
        let without = |turn: usize| -> String {
            let left_out = &addresses[turn % addresses.len()];
            let lines = service.lines().filter(|line| !line.contains(&format!("{left_out},")));
            lines.flat_map(|line| [line, "\n"]).chain([routes]).collect()
        };
        traffic.apply("scaled.yaml", &without(0)).await?;
        let load = Load::start(traffic.proxy(CLIENT)?, "http://scaled.test/", RATE)?;
        let mut edits = 0;
        while edits < EDITS || load.sent() < REQUESTS {
            edits += 1;
            traffic.apply("scaled.yaml", &without(edits)).await?;
        }
        let outcome = load.stop().await?;
        ensure!(outcome.failures.is_empty() && outcome.ok >= REQUESTS, "{outcome:#?}");
        figures::tell("reload-endpoints", &format!("{}, none failed", outcome.rate()?))
    });
}

/// Without retries, which would hide what this is to find.
fn generation(service: &str, number: usize) -> String {
    let weight = 10 + number % 80;
    format!(
        "{service}---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: DestinationRule\n\
         metadata: {{name: reload, namespace: traffic}}\n\
         spec:\n\
         \x20 host: reload.test\n\
         \x20 subsets:\n\
         \x20 - {{name: one-{number}, labels: {{version: v1}}}}\n\
         \x20 - {{name: two-{number}, labels: {{version: v2}}}}\n\
         ---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: VirtualService\n\
         metadata: {{name: reload, namespace: traffic}}\n\
         spec:\n\
         \x20 hosts: [reload.test]\n\
         \x20 http:\n\
         \x20 - retries: {{attempts: 0}}\n\
         \x20   route:\n\
         \x20   - {{destination: {{host: reload.test, subset: one-{number}}}, weight: {weight}}}\n\
         \x20   - {{destination: {{host: reload.test, subset: two-{number}}}, weight: {}}}\n",
        100 - weight
    )
}

#[test]
fn a_service_moves_to_the_next_version_without_a_failed_request() {
    run(async |traffic| {
        traffic.apply("rolled.yaml", &rolled(&["v1"], "v1")).await?;
        traffic.settled().await?;
        let load = Load::start(traffic.proxy(CLIENT)?, "http://rolled/", RATE)?;
        for (old, new) in [("v1", "v2"), ("v2", "v3")] {
            for (deployed, selected) in [([old, new].as_slice(), old), (&[old, new], new), (&[new], new)] {
                load.meanwhile(&format!("{deployed:?} deployed, {selected} selected"));
                traffic.apply("rolled.yaml", &rolled(deployed, selected)).await?;
                traffic.settled().await?;
                load.more(AFTER_EACH).await;
            }
        }
        let outcome = load.stop().await?;
        ensure!(outcome.failures.is_empty(), "{outcome:#?}");
        for version in ["v1", "v2", "v3"] {
            ensure!(outcome.versions.contains_key(version), "{outcome:#?}");
        }
        traffic.remove("rolled.yaml").await?;
        figures::tell("reload-rolled", &format!("{}, none failed", outcome.rate()?))
    });
}

/// A Service for one version, routes without retries, and a Deployment of one replica for each version.
fn rolled(versions: &[&str], selected: &str) -> String {
    let mut yaml = format!(
        "apiVersion: v1\n\
         kind: Service\n\
         metadata: {{name: rolled, namespace: traffic}}\n\
         spec: {{selector: {{app: rolled, version: {selected}}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}\n\
         ---\n\
         apiVersion: networking.istio.io/v1\n\
         kind: VirtualService\n\
         metadata: {{name: rolled, namespace: traffic}}\n\
         spec: {{hosts: [rolled], http: [{{retries: {{attempts: 0}}, route: [{{destination: {{host: rolled}}}}]}}]}}\n"
    );
    for version in versions {
        // Writing to a String cannot fail.
        let _ = write!(
            yaml,
            "---\n\
             apiVersion: apps/v1\n\
             kind: Deployment\n\
             metadata: {{name: rolled-{version}, namespace: traffic}}\n\
             spec:\n\
             \x20 replicas: 1\n\
             \x20 selector: {{matchLabels: {{app: rolled, version: {version}}}}}\n\
             \x20 template:\n\
             \x20   metadata: {{labels: {{app: rolled, version: {version}}}}}\n\
             \x20   spec: {{containers: [{{name: rolled, image: example.com/rolled, ports: [{{name: http, containerPort: 8080}}]}}]}}\n"
        );
    }
    yaml
}
