//! `meltemi analyze --cluster` says what a control plane of that cluster says.

use crate::told::{apply, leader, prepare, until};
use anyhow::{Result, ensure};
use mesh_testkit::ApiServer;
use pilot_ingest::{LAST_GOOD_STAYS, NOTHING_IN_EFFECT, Settings, Source, look};
use std::time::Duration;

const OBJECTS: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: nowhere}}]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web-too}
spec: {hosts: [web], http: [{route: [{destination: {host: web}}]}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn says_what_the_control_plane_says() {
    let Some(server) = ApiServer::own().await else { return };
    agrees(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn agrees(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    let source = || Source::Cluster { kubeconfig: Some(server.kubeconfig_path().to_owned()) };
    let within = Duration::from_secs(60);
    let (_, nothing) = look(source(), Settings::default(), within).await?;

    let control_plane = leader(server, "one").await?;
    apply(server, namespace, OBJECTS).await?;
    let unresolved = |status: &str, _: &str, message: &str| status == "False" && message.contains("nowhere");
    until(server, namespace, "virtualservice/web", "ResolvedRefs", unresolved).await?;
    let warned = |_: &str, reason: &str, message: &str| {
        reason == "AcceptedWithWarnings" && message.contains("VirtualService")
    };
    until(server, namespace, "virtualservice/web-too", "Accepted", warned).await?;
    let (_, found) = look(source(), Settings::default(), within).await?;
    ensure!(found.entries == control_plane.pilot().report().entries, "{found:#?}");
    ensure!(found.entries.len() > nothing.entries.len(), "{found:#?}");

    // A slip: what was good before stays, which whoever looks only now cannot know.
    apply(server, namespace, &OBJECTS.replace("hosts: [web]", "hosts: ['a b']")).await?;
    let keeps =
        |status: &str, _: &str, message: &str| status == "False" && message.starts_with(LAST_GOOD_STAYS);
    for object in ["virtualservice/web", "virtualservice/web-too"] {
        until(server, namespace, object, "Accepted", keeps).await?;
    }
    let (_, found) = look(source(), Settings::default(), within).await?;
    let says = |message: &str| {
        let problems = found.entries.iter().flat_map(|entry| &entry.problems);
        problems.filter(|problem| problem.message == message).count()
    };
    ensure!((says(NOTHING_IN_EFFECT), says(LAST_GOOD_STAYS)) == (2, 0), "{found:#?}");

    server.kill();
    let error = look(source(), Settings::default(), within).await;
    ensure!(error.is_err_and(|error| error.to_string().contains("the API server does not answer")));
    Ok(())
}
