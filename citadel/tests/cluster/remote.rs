//! Workloads of other clusters: known by their own API server, as long as a Secret names it.

use std::time::Duration;

use anyhow::{Result, ensure};
use mesh_pki::{keys, keys::KeyKind, request};
use mesh_testkit::{ApiServer, eventually};
use tonic::Code;

use crate::port::{self, Proof, Served, openssl_text, order, token};

const WITHIN: Duration = Duration::from_secs(60);

fn csr() -> String {
    request::make(&keys::generate(KeyKind::P256).unwrap(), None).unwrap()
}

/// A kubeconfig for `server` with all that it needs in it, as `istioctl create-remote-secret` makes one.
async fn kubeconfig(server: &ApiServer, user: &str) -> Result<String> {
    let inlined = ["config", "view", "--raw", "--flatten", "-o", "json"];
    let mut config: serde_json::Value = serde_json::from_str(&server.kubectl(&inlined).await?)?;
    if !user.is_empty() {
        config["users"][0]["user"] = serde_json::from_str(user)?;
    }
    Ok(config.to_string())
}

/// Says in Secret `name` that these are clusters.
async fn name_clusters(
    server: &ApiServer,
    namespace: &str,
    name: &str,
    clusters: &[(&str, &str)],
) -> Result<()> {
    let data: serde_json::Map<String, serde_json::Value> =
        clusters.iter().map(|(cluster, kubeconfig)| ((*cluster).to_owned(), (*kubeconfig).into())).collect();
    let secret = serde_json::json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": namespace, "labels": { "istio/multiCluster": "true" } },
        "stringData": data,
    });
    // What is no longer named must go: that is not what a second `apply` does to `stringData`.
    let _ = server.kubectl(&["delete", "secret", name, "-n", namespace]).await;
    server.kubectl_with_input(&["create", "-f", "-"], &secret.to_string()).await?;
    Ok(())
}

async fn becomes(served: &Served, proof: Proof<'_>, wanted: Code, what: &str) -> Result<()> {
    eventually(WITHIN, async || {
        let code =
            served.ask(proof.clone(), order(&csr())).await.map_or_else(|status| status.code(), |_| Code::Ok);
        ensure!(code == wanted, "{what}: {code:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_other_clusters_are_judged_by_these_alone() {
    let (Some(home), Some(east)) = (ApiServer::shared().await, ApiServer::own().await) else { return };
    let outcome = async {
        let namespace = &home.fresh_namespace("multicluster").await?;
        let mut config = port::config(home, namespace, "one").await?;
        (config.limits.rate, config.limits.burst) = (1e6, 1e6);
        let served = port::serve(config).await?;
        east.kubectl(&["create", "namespace", "shop"]).await?;
        let theirs = &token(&east, "shop", "web", "istio-ca").await?;
        let ours = &token(home, namespace, "web", "istio-ca").await?;
        let of = |cluster, token| Proof { cluster: Some(cluster), ..Proof::token(token) };
        becomes(&served, of("east", theirs), Code::Unauthenticated, "a cluster that nobody has named")
            .await?;

        let east_config = kubeconfig(&east, "").await?;
        name_clusters(home, namespace, "remote-east", &[("east", &east_config)]).await?;
        becomes(&served, of("east", theirs), Code::Ok, "a cluster that was added").await?;
        let chain = served.ask(of("east", theirs), order(&csr())).await?;
        ensure!(openssl_text(&chain[0])?.contains("URI:spiffe://cluster.local/ns/shop/sa/web"));
        for (proof, what) in [
            (of("east", ours), "a token of this cluster, said to be of the other"),
            (of("Kubernetes", theirs), "a token of the other cluster, said to be of this one"),
            (Proof::token(theirs), "a token of the other cluster, said to be of none"),
            (of("west", theirs), "a token of a cluster that is not known"),
        ] {
            let status = served.ask(proof, order(&csr())).await.expect_err(what);
            ensure!(status.code() == Code::Unauthenticated, "{what}: {status:?}");
        }
        ensure!(served.ask(of("Kubernetes", ours), order(&csr())).await.is_ok());

        // Under another name; with credentials that are not taken; by the name of this cluster; and not at all.
        name_clusters(home, namespace, "remote-east", &[("west", &east_config)]).await?;
        becomes(&served, of("west", theirs), Code::Ok, "a cluster that was renamed").await?;
        becomes(&served, of("east", theirs), Code::Unauthenticated, "its old name").await?;
        let run = kubeconfig(
            &east,
            r#"{"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh"}}"#,
        )
        .await?;
        name_clusters(home, namespace, "remote-east", &[("west", &run)]).await?;
        becomes(&served, of("west", theirs), Code::Unauthenticated, "a kubeconfig that runs a program")
            .await?;
        name_clusters(
            home,
            namespace,
            "remote-east",
            &[("Kubernetes", &east_config), ("west", &east_config)],
        )
        .await?;
        becomes(&served, of("west", theirs), Code::Ok, "a cluster beside one with this one's name").await?;
        becomes(&served, of("Kubernetes", theirs), Code::Unauthenticated, "this cluster's name").await?;
        home.kubectl(&["delete", "secret", "remote-east", "-n", namespace]).await?;
        becomes(&served, of("west", theirs), Code::Unauthenticated, "a cluster that was removed").await?;

        // One that is away: whoever is of it may try again, and nobody else waits.
        name_clusters(home, namespace, "remote-east", &[("east", &east_config)]).await?;
        becomes(&served, of("east", theirs), Code::Ok, "a cluster that is back").await?;
        let late = &token(&east, "shop", "late", "istio-ca").await?;
        east.kill();
        becomes(&served, of("east", late), Code::Unavailable, "a cluster that is away").await?;
        ensure!(served.ask(Proof::token(ours), order(&csr())).await.is_ok());
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
