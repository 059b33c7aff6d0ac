//! Several replicas: each has its own proxies, and what objects say is about all of them.

use crate::told::{ROOT, apply, get, leader_with, prepare, until};
use anyhow::{Context, Result, ensure};
use mesh_model::{Kind, ObjectRef};
use mesh_testkit::ApiServer;
use mesh_tests::Asker;
use pilot::{Config, StatusConfig};
use pilot_xds::resource::ResourceType;
use std::{sync::Arc, time::Duration};

const RULE: &str = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: web}\n\
                    spec: {host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}}}\n";

/// Its connections are those of an older one: both take every address of a port.
const CONTESTED: &str = "\
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a-first}
spec: {exportTo: ['.'], hosts: [first.example.com], resolution: NONE, ports: [{number: 5432, name: tcp, protocol: TCP}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b-second}
spec: {exportTo: ['.'], hosts: [second.example.com], resolution: NONE, ports: [{number: 5432, name: tcp, protocol: TCP}]}
";

#[tokio::test(flavor = "multi_thread")]
async fn count_together() {
    let Some(server) = ApiServer::own().await else { return };
    counted(&server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn counted(server: &ApiServer) -> Result<()> {
    let namespace = &prepare(server).await?;
    // Long enough for what is said of a replica that does not answer to be seen.
    let lasting = |config: Config| {
        let lasting = |status| StatusConfig { lease_duration: Duration::from_secs(10), ..status };
        Config { status: config.status.map(lasting), ..config }
    };
    let first = leader_with(server, "first", lasting).await?;
    let _one = first.connect(&Asker::new(namespace, "one")).await?;
    apply(server, namespace, RULE).await?;
    let count = |wanted: &'static str| {
        move |status: &str, _: &str, message: &str| status == "True" && message == wanted
    };
    until(server, namespace, "destinationrule/web", "Programmed", count("1 of 1 proxy")).await?;

    // The second does not lead; its proxies count.
    let second = leader_with(server, "second", lasting).await?;
    let _two = second.connect(&Asker::new(namespace, "two")).await?;
    let _three = second.connect(&Asker::new(namespace, "three")).await?;
    apply(server, namespace, &RULE.replace("RANDOM", "ROUND_ROBIN")).await?;
    until(server, namespace, "destinationrule/web", "Programmed", count("3 of 3 proxies")).await?;

    // Whichever is asked (`/debug/status`, `meltemi wait --address`) speaks of all of them, the one that does not lead, too.
    let web = ObjectRef::new(Kind::DestinationRule, namespace.as_str(), "web");
    for replica in [&first, &second] {
        mesh_testkit::eventually(Duration::from_secs(20), async || {
            let [.., programmed] = replica.pilot().status(&web).context("there is no web")?;
            ensure!(programmed.holds() && programmed.message == "3 of 3 proxies", "{programmed:?}");
            Ok(())
        })
        .await?;
    }

    // So does what they refuse.
    let refuse = |kind: ResourceType, resource: &pilot_xds::wire::Resource| {
        let content = resource.resource.as_ref().map(|any| any.value.clone()).unwrap_or_default();
        let bad = kind == ResourceType::VirtualHost && content.windows(8).any(|part| part == b"not-here");
        bad.then(|| format!("{}: this Envoy cannot have that", resource.name))
    };
    let _picky = second.connect_refusing(&Asker::new(namespace, "picky"), Arc::new(refuse)).await?;
    let route = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: web}\n\
                 spec: {hosts: [web], http: [{name: not-here, route: [{destination: {host: web}}]}]}\n";
    apply(server, namespace, route).await?;
    let refused = |status: &str, reason: &str, message: &str| {
        let by = message.starts_with("3 of 4 proxies; rejected by picky.");
        status == "False" && reason == "Rejected" && by && message.ends_with("this Envoy cannot have that")
    };
    until(server, namespace, "virtualservice/web", "Programmed", refused).await?;

    // A replica that says nothing is waited for, until it is clear that it is gone. What it left is taken away.
    let ghost = "replica.meltemi.io/ghost={}";
    server.kubectl(&["annotate", "lease", "meltemi-replicas", "-n", ROOT, ghost]).await?;
    apply(server, namespace, RULE).await?;
    until(server, namespace, "destinationrule/web", "Programmed", |status, reason, message| {
        status == "False" && reason == "Pending" && message.ends_with("not counted yet: proxies of ghost")
    })
    .await?;
    until(server, namespace, "destinationrule/web", "Programmed", count("4 of 4 proxies")).await?;
    mesh_testkit::eventually(Duration::from_secs(30), async || {
        let board = get(server, ROOT, "lease/meltemi-replicas").await?;
        let left = board["metadata"]["annotations"].as_object().map_or(0, serde_json::Map::len);
        ensure!(left == 2, "{board:#}");
        Ok(())
    })
    .await?;

    // What is in another's place for a proxy of the second only.
    let _outside = second.connect(&Asker::new("elsewhere", "outside")).await?;
    server.kubectl(&["create", "namespace", "elsewhere"]).await?;
    apply(server, "elsewhere", CONTESTED).await?;
    until(server, "elsewhere", "serviceentry/b-second", "Accepted", |status, reason, message| {
        let told = message.contains("go to an older service");
        status == "True" && reason == "AcceptedWithWarnings" && told
    })
    .await?;

    // One that ends in good order leaves nothing, and its proxies no longer count.
    second.stop().await?;
    apply(server, namespace, &RULE.replace("RANDOM", "LEAST_REQUEST")).await?;
    until(server, namespace, "destinationrule/web", "Programmed", count("1 of 1 proxy")).await?;
    Ok(())
}
