//! The trusted roots in every namespace.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mesh_testkit::{ApiServer, eventually};

use crate::port;

const WITHIN: Duration = Duration::from_secs(60);

async fn holds(server: &ApiServer, namespace: &str, roots: &str) -> Result<()> {
    eventually(WITHIN, async || {
        let args = ["get", "configmap", "istio-ca-root-cert", "-n", namespace, "-o", "json"];
        let object: serde_json::Value = serde_json::from_str(&server.kubectl(&args).await?)?;
        let text = object["data"]["root-cert.pem"].as_str().context("no roots")?;
        ensure!(text == roots, "{text}");
        ensure!(object["metadata"]["labels"]["istio.io/config"] == "true");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_are_in_every_namespace_and_come_back_when_edited() {
    // Of its own: another authority would publish other roots.
    let Some(server) = ApiServer::own().await else { return };
    let outcome = async {
        let root = server.fresh_namespace("istio-system").await?;
        let before = server.fresh_namespace("before").await?;
        let served = port::serve(port::config(&server, &root, "one").await?).await?;
        let roots = served.citadel.bundle().pem().to_owned();
        holds(&server, &before, &roots).await?;
        let after = server.fresh_namespace("after").await?;
        holds(&server, &after, &roots).await?;
        let patch = r#"{"data":{"root-cert.pem":"mine"}}"#;
        server.kubectl(&["patch", "configmap", "istio-ca-root-cert", "-n", &after, "-p", patch]).await?;
        holds(&server, &after, &roots).await?;
        server.kubectl(&["delete", "configmap", "istio-ca-root-cert", "-n", &before]).await?;
        holds(&server, &before, &roots).await?;
        let system = server.kubectl(&["get", "configmap", "-n", "kube-public", "-o", "name"]).await?;
        ensure!(!system.contains("istio-ca-root-cert"), "{system}");
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
