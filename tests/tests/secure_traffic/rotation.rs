//! Certificates are renewed every two seconds and the root is changed while requests go from one sidecar to another by mutual TLS, which
//! alone is taken: none fails.

use crate::{CLIENT, RATE, ROUTE, URL, alone, mode, run, say};
use anyhow::{Context, Result, ensure};
use citadel::root::rotation::Rotation;
use mesh_pki::Facts;
use mesh_testkit::eventually;
use mesh_tests::traffic::{Load, Request, Traffic};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};

const REQUESTS: usize = 10_000;
const WITHIN: Duration = Duration::from_secs(60);
/// Handshakes all the time: on an old connection no certificate matters.
const HANDSHAKES: &str = "---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web, namespace: secure}
spec: {host: web, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 10}}}}
";
const FILE: &str = "rotation.yaml";

#[test]
fn renewals_and_a_change_of_the_root_cost_no_request() {
    run(async |traffic| {
        let _alone = alone().await;
        traffic.apply(FILE, &[&mode("STRICT"), ROUTE, HANDSHAKES].concat()).await?;
        let load = Load::start(traffic.proxy(CLIENT)?, URL, RATE)?;
        let rotated = rotate(traffic, &load).await;
        let outcome = load.stop().await?;
        let handshakes = handshakes(traffic).await?;
        traffic.remove(FILE).await?;
        rotated.with_context(|| format!("{outcome:#?}"))?;
        ensure!(outcome.failed == 0 && outcome.ok >= REQUESTS, "{outcome:#?}");
        ensure!(handshakes > REQUESTS / 20, "{handshakes} handshakes");
        say(&format!("{}, none failed, {handshakes} handshakes", outcome.rate()?));
        Ok(())
    });
}

async fn rotate(traffic: &Traffic, load: &Load) -> Result<()> {
    let identities = traffic.identities()?;
    let (citadel, issued) = (identities.citadel(), identities.issued());
    let old = citadel.bundle();
    ensure!(citadel.rotate(), "an authority in memory can be asked for a new root");
    let mut stored = citadel.stored();
    let steps: [fn(&Rotation) -> bool; 3] = [
        |rotation| matches!(rotation, Rotation::Distributing { .. }),
        |rotation| matches!(rotation, Rotation::Retiring { .. }),
        |rotation| matches!(rotation, Rotation::Steady),
    ];
    for step in steps {
        let name = stored.wait_for(|stored| step(&stored.kept.rotation)).await?.kept.rotation.name();
        load.meanwhile(name);
    }
    let new = citadel.bundle();
    ensure!(new.roots().iter().all(|root| !old.roots().contains(root)), "the old root is gone");
    // Envoys with the new root alone.
    let root = Facts::read(new.roots().first().context("a root")?)?.serial;
    for pod in [CLIENT, "web-0"] {
        eventually(WITHIN, async || {
            let trusted = trusted(traffic, pod).await?;
            ensure!(trusted == BTreeSet::from([number(&root)]), "{pod} trusts {trusted:?}, not {root} alone");
            Ok(())
        })
        .await?;
    }
    load.more(REQUESTS.saturating_sub(load.sent()).max(200)).await;
    let issued = identities.issued() - issued;
    ensure!(issued > 10, "{issued} certificates");
    Ok(())
}

/// Serial numbers are written in more ways than one.
fn number(serial: &str) -> String {
    serial.replace(':', "").trim_start_matches('0').to_ascii_lowercase()
}

/// Roots that a pod's Envoy trusts.
async fn trusted(traffic: &Traffic, pod: &str) -> Result<BTreeSet<String>> {
    let certificates: Value = serde_json::from_str(&admin(traffic, pod, "/certs").await?)?;
    let sets = certificates["certificates"].as_array().context("certificates")?.iter();
    let roots = sets.flat_map(|set| set["ca_cert"].as_array().into_iter().flatten());
    Ok(roots.filter_map(|root| root["serial_number"].as_str().map(number)).collect())
}

/// How often the client has connected to the server.
async fn handshakes(traffic: &Traffic) -> Result<usize> {
    let hosts = admin(traffic, CLIENT, "/clusters").await?;
    let connections = hosts.lines().filter(|line| line.starts_with("outbound|80||web."));
    let counts = connections.filter_map(|line| line.rsplit_once("::cx_total::")?.1.parse::<usize>().ok());
    Ok(counts.sum())
}

async fn admin(traffic: &Traffic, pod: &str, path: &str) -> Result<String> {
    let at = traffic.entry(pod)?.admin;
    let answer = Request::get(&format!("http://{at}{path}"))?.direct().send(at).await?;
    Ok(String::from_utf8_lossy(&answer.body).into_owned())
}
