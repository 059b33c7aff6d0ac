//! Workloads outside Kubernetes that register themselves: they are called when they are there and well, and forgotten when they are gone.

use crate::{
    rights::{options, own_account, rights},
    told::{ROOT, apply, get, leader, leader_with, prepare},
};
use anyhow::{Context, Result, ensure};
use mesh_testkit::{ApiServer, eventually};
use mesh_tests::{Asker, cluster::Client};
use pilot::Config;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Entries go ten seconds after their workloads.
const WITHIN: Duration = Duration::from_secs(60);

const GROUP: &str = "\
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms}
spec:
  metadata: {labels: {app: db}, annotations: {team: storage}}
  template: {serviceAccount: machine, ports: {tcp: 5433}, weight: 2}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example.com]
  addresses: [192.0.2.10]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 5432, name: tcp, protocol: TCP}]
  workloadSelector: {labels: {app: db}}
";
const CLUSTER: &str = "outbound|5432||db.example.com";

/// A machine of the group, whose agent probes it.
fn machine(namespace: &str, group: &str) -> Asker {
    Asker {
        address: [10, 9, 0, 7].into(),
        metadata: BTreeMap::from([("AUTO_REGISTER_GROUP".to_owned(), group.to_owned())]),
        proxy_config: Some(json!({ "readinessProbe": { "tcpSocket": { "port": 5433 } } })),
        labels: BTreeMap::from([("rack".to_owned(), "seven".to_owned())]),
        ..Asker::new(namespace, "machine-7")
    }
}

async fn entry(server: &ApiServer, namespace: &str) -> Result<Value> {
    get(server, namespace, "workloadentry/vms-10.9.0.7").await
}

/// Clients are told of those that are not well, too, and not to call them.
async fn until_well(client: &mut Client, well: bool) -> Result<()> {
    let is_so = |assignment: &Value| assignment.to_string().contains("UNHEALTHY") != well;
    client.until_assignment(CLUSTER, &format!("endpoints that are well: {well}"), is_so).await
}

async fn until_gone(server: &ApiServer, namespace: &str, name: &str) -> Result<()> {
    eventually(WITHIN, async || {
        let found =
            server.kubectl(&["get", "workloadentry", name, "-n", namespace, "--ignore-not-found"]).await?;
        ensure!(found.trim().is_empty(), "{found}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn workloads_register_themselves() {
    let Some(server) = ApiServer::own().await else { return };
    registered(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn registered(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    // With the rights that are written down, and no more.
    for file in [rights(), options()] {
        server.kubectl(&["apply", "-f", file.to_str().context("UTF-8")?]).await?;
    }
    let directory = tempfile::tempdir()?;
    let source = own_account(server, directory.path()).await?;
    let control_plane = leader_with(server, "one", |config| Config { source, ..config }).await?;
    let mut client = control_plane.connect(&Asker::new(namespace, "client")).await?;
    let machine = |group| machine(namespace, group);

    // Who has proven nothing, is somebody else, or is of no group that there is, is turned away.
    apply(server, namespace, GROUP).await?;
    client.until_cluster(CLUSTER).await?;
    for (what, stream, expected) in [
        ("without a proof", control_plane.connect(&machine("vms")).await?, "has to prove"),
        (
            "another account",
            control_plane.connect_as(&machine("vms"), "other").await?,
            "the caller is \"other\"",
        ),
        (
            "another group",
            control_plane.connect_as(&machine("none"), "machine").await?,
            "there is no WorkloadGroup",
        ),
    ] {
        let end = stream.ended().await?;
        ensure!(end.contains(expected), "{what}: {end}");
    }

    // An entry as its group and its agent say. Until the agent has said that it is well it is not called.
    let workload = control_plane.connect_as(&machine("vms"), "machine").await?;
    let made = eventually(WITHIN, async || entry(server, namespace).await).await?;
    ensure!(
        made["spec"]
            == json!({
                "address": "10.9.0.7", "serviceAccount": "machine", "ports": { "tcp": 5433 }, "weight": 2,
                "labels": { "app": "db", "rack": "seven" },
            }),
        "{made:#}"
    );
    let annotations = &made["metadata"]["annotations"];
    let told = ["istio.io/autoRegistrationGroup", "istio.io/workloadController", "team"]
        .map(|key| &annotations[key]);
    ensure!(
        told == ["vms", "one", "storage"] && annotations["istio.io/connectedAt"].is_string(),
        "{annotations:#}"
    );
    ensure!(made["metadata"]["ownerReferences"][0]["kind"] == "WorkloadGroup", "{made:#}");
    client.until_endpoints(CLUSTER, &["10.9.0.7:5433"]).await?;
    until_well(&mut client, false).await?;
    workload.tell_health(Ok(()));
    until_well(&mut client, true).await?;
    workload.tell_health(Err("connection refused"));
    until_well(&mut client, false).await?;
    let unwell = entry(server, namespace).await?;
    let conditions = unwell["status"]["conditions"].as_array().context("conditions")?;
    let unwell = conditions.iter().find(|condition| condition["type"] == "Healthy").context("a health")?;
    ensure!(unwell["status"] == "False" && unwell["message"] == "connection refused", "{unwell:#}");
    workload.tell_health(Ok(()));
    until_well(&mut client, true).await?;

    // A stream that takes the place of another, which then ends, changes nothing.
    let again = control_plane.connect_as(&machine("vms"), "machine").await?;
    again.tell_health(Ok(()));
    drop(workload);
    eventually(WITHIN, async || {
        let now = entry(server, namespace).await?["metadata"]["annotations"]["istio.io/connectedAt"].clone();
        ensure!(now.is_string() && now != annotations["istio.io/connectedAt"], "{now}");
        Ok(())
    })
    .await?;
    until_well(&mut client, true).await?;

    // The last one ends: that is noted at once, and the entry goes later.
    drop(again);
    eventually(WITHIN, async || {
        let annotations = entry(server, namespace).await?["metadata"]["annotations"].clone();
        let gone = annotations["istio.io/disconnectedAt"].is_string()
            && annotations["istio.io/connectedAt"].is_null();
        ensure!(gone, "{annotations:#}");
        Ok(())
    })
    .await?;
    until_gone(server, namespace, "vms-10.9.0.7").await?;
    client.until_endpoints(CLUSTER, &[]).await
}

/// An entry that somebody has written: its workload says how it is, and nothing else of it changes.
#[tokio::test(flavor = "multi_thread")]
async fn a_written_entry_has_its_health_told() {
    let Some(server) = ApiServer::own().await else { return };
    told_of(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn told_of(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let control_plane = leader(server, "one").await?;
    let mut client = control_plane.connect(&Asker::new(namespace, "client")).await?;
    let machine = Asker {
        address: [10, 9, 0, 7].into(),
        metadata: BTreeMap::from([("WORKLOAD_ENTRY".to_owned(), "written".to_owned())]),
        ..Asker::new(namespace, "machine-7")
    };
    let end = control_plane.connect_as(&machine, "machine").await?.ended().await?;
    ensure!(end.contains("there is no WorkloadEntry"), "{end}");
    let written = "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
                   metadata: {name: written, annotations: {proxy.istio.io/health-checks-enabled: 'true'}}\n\
                   spec: {address: 10.9.0.7, serviceAccount: machine, labels: {app: db}}\n---\n";
    apply(server, namespace, &(written.to_owned() + GROUP)).await?;
    let workload = control_plane.connect_as(&machine, "machine").await?;
    workload.tell_health(Ok(()));
    client.until_cluster(CLUSTER).await?;
    client.until_endpoints(CLUSTER, &["10.9.0.7:5432"]).await?;
    until_well(&mut client, true).await?;
    let before = get(server, namespace, "workloadentry/written").await?;

    // Nobody knows any more how it is.
    drop(workload);
    until_well(&mut client, false).await?;
    let after = get(server, namespace, "workloadentry/written").await?;
    ensure!(before["spec"] == after["spec"], "{after:#}");
    let conditions = after["status"]["conditions"].as_array().cloned().unwrap_or_default();
    ensure!(conditions.iter().all(|condition| condition["type"] != "Healthy"), "{conditions:#?}");
    Ok(())
}

/// What nobody was there to take away, because its replica had died, the next leader does.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_is_swept() {
    let Some(server) = ApiServer::own().await else { return };
    swept(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn swept(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let left = |name: &str, group: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\n\
             metadata: {{name: {name}, annotations: {{{group}istio.io/workloadController: dead, \
             istio.io/disconnectedAt: '2026-01-01T00:00:00Z'}}}}\nspec: {{address: 10.9.0.8}}\n---\n"
        )
    };
    let group = "istio.io/autoRegistrationGroup: vms, ";
    // Of a replica of the same name, which ended without a word.
    let own = left("own", &format!("{group}registration.meltemi.io/replica: one, "));
    let own = own.replace("dead", "one").replace("disconnectedAt", "connectedAt");
    apply(server, namespace, &(left("left", group) + &left("written", "") + &own)).await?;
    let _control_plane = leader(server, "one").await?;
    until_gone(server, namespace, "left").await?;
    until_gone(server, namespace, "own").await?;
    // What somebody has written stays.
    get(server, namespace, "workloadentry/written").await?;
    let lease = get(server, ROOT, "lease/meltemi-leader").await?;
    ensure!(lease["spec"]["holderIdentity"] == "one", "{lease:#}");
    Ok(())
}
