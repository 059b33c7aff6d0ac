//! What is logged of connections that a sidecar takes by no chain: plaintext where only mTLS is taken.

use super::{By, Stage, WITHIN, mode, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use std::fs;

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_no_chain_takes() {
    run(logged()).await;
}

async fn logged() -> Result<()> {
    let stage = Stage::set().await?;
    stage.take("STRICT").await?;
    for (name, setting, told) in [("told", "false", true), ("untold", "true", false)] {
        let file = stage.directory.path().join(name);
        let mesh = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\ndata:\n  mesh: |\n\
             \x20   accessLogFile: {}\n    accessLogFormat: '%RESPONSE_FLAGS% %UPSTREAM_CLUSTER%'\n    disableEnvoyListenerLog: {setting}\n",
            file.display()
        );
        stage.mesh.edit("peers.yaml", &(mode("STRICT") + "---\n" + &mesh)).await?;
        stage.acknowledged().await?;
        // Both sidecars log into it. What the server's has logged first is in the file when the request is.
        eventually(WITHIN, async || {
            ensure!(stage.request(80, By::Stranger).await?.is_none(), "plaintext gets through");
            ensure!(stage.request(80, By::Mesh).await?.is_some(), "mTLS does not get through");
            let text = fs::read_to_string(&file).context("nothing is logged")?;
            let lines = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
            ensure!(lines("- inbound|") > 0, "no request is logged: {text}");
            ensure!((lines("NR") > 0) == told, "disableEnvoyListenerLog: {setting}: {text}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
