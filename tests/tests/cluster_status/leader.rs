//! Who writes: one replica at a time, and nothing that is there already.

use crate::told::{ROOT, apply, get, leader, prepare, until};
use anyhow::{Context, Result, ensure};
use mesh_testkit::ApiServer;
use mesh_tests::Asker;
use std::time::Duration;

fn rule(name: &str, simple: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}}}\n\
         spec: {{host: web, trafficPolicy: {{loadBalancer: {{simple: {simple}}}}}}}\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn changes() {
    let Some(server) = ApiServer::own().await else { return };
    changed(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn holder(server: &ApiServer) -> Result<String> {
    let lease = get(server, ROOT, "lease/meltemi-leader").await?;
    Ok(lease["spec"]["holderIdentity"].as_str().context("a holder")?.to_owned())
}

async fn changed(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let first = leader(server, "first").await?;
    let _client = first.connect(&Asker::new(namespace, "client")).await?;
    apply(server, namespace, &rule("web", "RANDOM")).await?;
    let one = |status: &str, _: &str, message: &str| status == "True" && message == "1 of 1 proxy";
    let before = until(server, namespace, "destinationrule/web", "Programmed", one).await?;
    ensure!(holder(server).await? == "first");

    // The second stands by, and takes over as soon as the first gives up.
    let second = leader(server, "second").await?;
    ensure!(holder(server).await? == "first");
    first.stop().await?;
    mesh_testkit::eventually(Duration::from_secs(30), async || {
        ensure!(holder(server).await? == "second");
        Ok(())
    })
    .await?;

    // It writes what is new, and has left alone what was said: by its edit of another object it has seen them all.
    apply(server, namespace, &rule("web-2", "ROUND_ROBIN")).await?;
    until(server, namespace, "destinationrule/web-2", "Accepted", |status, _, _| status == "True").await?;
    let after = get(server, namespace, "destinationrule/web").await?;
    let version = |object: &serde_json::Value| object["metadata"]["resourceVersion"].clone();
    ensure!(version(&before) == version(&after), "{before:#} became {after:#}");

    // What changes has its generation told by the new leader.
    let _client = second.connect(&Asker::new(namespace, "client")).await?;
    apply(server, namespace, &rule("web", "LEAST_REQUEST")).await?;
    let object = until(server, namespace, "destinationrule/web", "Programmed", one).await?;
    ensure!(object["metadata"]["generation"] == 2, "{object:#}");
    Ok(())
}
