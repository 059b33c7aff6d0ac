//! Addresses that hosts of ServiceEntries are given: kept by restarts and by those who write beside them.

use crate::told::{apply, get, leader, prepare, until};
use anyhow::{Context, Result, ensure};
use mesh_testkit::ApiServer;
use mesh_tests::Asker;
use serde_json::Value;
use std::time::Duration;

const ENTRY: &str = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: db}
spec:
  hosts: [db.example.com]
  resolution: DNS
  ports: [{number: 5432, name: tcp, protocol: TCP}]
";

#[tokio::test(flavor = "multi_thread")]
async fn are_given_and_kept() {
    let Some(server) = ApiServer::own().await else { return };
    given(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn addresses(server: &ApiServer, namespace: &str) -> Result<Vec<String>> {
    mesh_testkit::eventually(Duration::from_secs(60), async || {
        let object = get(server, namespace, "serviceentry/db").await?;
        let all = object["status"]["addresses"].as_array().context("none yet")?;
        let of = |entry: &Value| entry["value"].as_str().unwrap_or_default().to_owned();
        ensure!(all.len() == 2 && all.iter().all(|entry| entry["host"] == "db.example.com"), "{all:?}");
        Ok(all.iter().map(of).collect())
    })
    .await
}

async fn given(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let first = leader(server, "first").await?;
    let mut client = first.connect(&Asker { dns_capture: true, ..Asker::new(namespace, "client") }).await?;
    apply(server, namespace, ENTRY).await?;
    let before = addresses(server, namespace).await?;
    let (v4, v6) = (&before[0], &before[1]);
    ensure!(v4.starts_with("240.240.") && v6.starts_with("2001:2::"), "{before:?}");
    // Clients that are told them are listened for there.
    client.until_listener(&format!("{v4}_5432")).await?;
    // Conditions and addresses are written side by side.
    let held = |status: &str, _: &str, _: &str| status == "True";
    until(server, namespace, "serviceentry/db", "Programmed", held).await?;
    ensure!(addresses(server, namespace).await? == before);

    // Another leader finds them as they are; whoever takes them away gets them back.
    first.stop().await?;
    let second = leader(server, "second").await?;
    let _client = second.connect(&Asker::new(namespace, "client")).await?;
    apply(server, namespace, &ENTRY.replace("5432", "5433")).await?;
    until(server, namespace, "serviceentry/db", "Programmed", held).await?;
    ensure!(addresses(server, namespace).await? == before);
    let gone = r#"{"status": {"addresses": null}}"#;
    server
        .kubectl(&[
            "patch",
            "serviceentry",
            "db",
            "-n",
            namespace,
            "--subresource=status",
            "--type=merge",
            "-p",
            gone,
        ])
        .await?;
    ensure!(addresses(server, namespace).await? == before);
    Ok(())
}
