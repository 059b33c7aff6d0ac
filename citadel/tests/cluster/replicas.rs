//! Replicas that change the root together: none goes on before the workloads of all have the new one, and none waits longer than that.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use citadel::{Config, REPLICAS_CONFIG_MAP, RootConfig};
use mesh_testkit::{ApiServer, eventually};

use crate::port::{self, Proof, Served, token};

const WITHIN: Duration = Duration::from_secs(90);
const DISTRIBUTING: &str = "distributing the next root";
const RETIRING: &str = "retiring the old root";

/// Steps in seconds, and certificates that live for hours: time alone moves nothing on here.
async fn start(server: &ApiServer, namespace: &str, identity: &str) -> Result<Served> {
    let config = port::config(server, namespace, identity).await?;
    let (settle, tick) = (Duration::from_secs(1), Duration::from_millis(200));
    let root = RootConfig { settle, tick, ..RootConfig::default() };
    port::serve(Config { root, ..config }).await
}

fn step(served: &Served) -> &'static str {
    served.citadel.stored().borrow().kept.rotation.name()
}

/// What each replica says.
async fn lines(server: &ApiServer, namespace: &str) -> Result<Vec<serde_json::Value>> {
    let args = ["get", "configmap", REPLICAS_CONFIG_MAP, "-n", namespace, "-o", "json"];
    let object: serde_json::Value = serde_json::from_str(&server.kubectl(&args).await?)?;
    let data = object["data"].as_object().context("no lines")?;
    data.values().map(|line| Ok(serde_json::from_str(line.as_str().context("no text")?)?)).collect()
}

async fn reaches(served: &Served, name: &str) -> Result<()> {
    let mut stored = served.citadel.stored();
    let reached = stored.wait_for(|stored| stored.kept.rotation.name() == name);
    tokio::time::timeout(WITHIN, reached).await.with_context(|| format!("not yet {name}"))??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_the_root_goes_on_when_the_workloads_of_all_replicas_have_it() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("replicas").await?;
        let (one, two) = (start(server, namespace, "one").await?, start(server, namespace, "two").await?);
        let web = one.enrol(Proof::token(&token(server, namespace, "web", "istio-ca").await?)).await?;
        let db = two.enrol(Proof::token(&token(server, namespace, "db", "istio-ca").await?)).await?;
        let annotation = format!("{}=now", citadel::root::store::ROTATE_ANNOTATION);
        server.kubectl(&["annotate", "secret", "istio-ca-secret", "-n", namespace, &annotation]).await?;
        for served in [&one, &two] {
            reaches(served, DISTRIBUTING).await?;
        }
        let bundle = one.citadel.bundle();
        ensure!(bundle.roots().len() == 2 && two.citadel.bundle().digest() == bundle.digest());
        let all_say = async |behind: [u64; 2]| {
            eventually(WITHIN, async || {
                let lines = lines(server, namespace).await?;
                let of_now = lines.iter().filter(|line| line["bundle"] == bundle.digest().to_string());
                let mut said: Vec<u64> = of_now.filter_map(|line| line["behind"].as_u64()).collect();
                said.sort_unstable();
                ensure!(said == behind, "{lines:?}");
                Ok(())
            })
            .await
        };
        all_say([1, 1]).await?;
        // Each renews with the other replica: what one has taken over, the other gives up.
        let web = two.enrol(Proof::credential(&web)).await?;
        all_say([0, 1]).await?;
        for served in [&one, &two] {
            ensure!(step(served) == DISTRIBUTING, "one workload has not renewed yet");
        }
        let db = one.enrol(Proof::credential(&db)).await?;
        for served in [&one, &two] {
            reaches(served, RETIRING).await?;
        }
        // Nobody is left out: both go on with either replica.
        for credential in [&web, &db] {
            for served in [&one, &two] {
                served.enrol(Proof::credential(credential)).await?;
            }
        }
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_has_issued_counts_after_its_death() {
    let Some(server) = ApiServer::shared().await else { return };
    let outcome = async {
        let namespace = &server.fresh_namespace("replicas").await?;
        let (one, two) = (start(server, namespace, "one").await?, start(server, namespace, "two").await?);
        let token = &token(server, namespace, "web", "istio-ca").await?;
        let mut held = one.enrol(Proof::token(token)).await?;
        two.enrol(Proof::token(token)).await?;
        // With all that it knows.
        drop(two);
        let annotation = format!("{}=now", citadel::root::store::ROTATE_ANNOTATION);
        server.kubectl(&["annotate", "secret", "istio-ca-secret", "-n", namespace, &annotation]).await?;
        reaches(&one, DISTRIBUTING).await?;
        let bundle = one.citadel.bundle().digest().to_string();
        // Everybody whom the one that is left knows has the new root.
        held = one.enrol(Proof::credential(&held)).await?;
        // It speaks of the new roots only when they have settled, and decides whenever it has spoken.
        for _ in 0..3 {
            let said = lines(server, namespace).await?;
            let next = one.enrol(Proof::credential(&held)).await?;
            // An agent to which the answer was lost asks again: that changes what is said.
            one.enrol(Proof::credential(&held)).await?;
            held = next;
            eventually(WITHIN, async || {
                let now = lines(server, namespace).await?;
                ensure!(now.iter().any(|line| line["bundle"] == *bundle) && now != said, "{now:?}");
                Ok(())
            })
            .await?;
        }
        ensure!(one.citadel.report().behind == 0, "{:?}", one.citadel.report());
        ensure!(step(&one) == DISTRIBUTING, "the workload of the dead replica was forgotten");
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
