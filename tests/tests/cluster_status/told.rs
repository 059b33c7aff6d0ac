//! What objects say of themselves, and control planes that write it.

use anyhow::{Context, Result};
use mesh_testkit::ApiServer;
use mesh_tests::cluster::{ControlPlane, install_crds};
use pilot::{Config, StatusConfig};
use serde_json::Value;
use std::time::Duration;

/// Longer than anything takes on a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(60);

/// Where the lease is.
pub const ROOT: &str = "istio-system";

/// A Service that proxies can be told about, and a pod's worth of nothing behind it.
pub const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\n\
                           spec: {ports: [{name: http, port: 80}]}\n";

/// A server with CRDs, the root namespace, and a namespace with a Service `web`.
pub async fn prepare(server: &ApiServer) -> Result<String> {
    install_crds(server).await?;
    server.kubectl(&["create", "namespace", ROOT]).await?;
    let namespace = server.fresh_namespace("status").await?;
    apply(server, &namespace, SERVICE).await?;
    Ok(namespace)
}

/// `kubectl apply` in a namespace.
pub async fn apply(server: &ApiServer, namespace: &str, yaml: &str) -> Result<()> {
    server.kubectl_with_input(&["apply", "-n", namespace, "-f", "-"], yaml).await.map(drop)
}

/// A control plane that stands for election as `identity`, with a lease short enough for a test.
pub async fn leader(server: &ApiServer, identity: &str) -> Result<ControlPlane> {
    leader_with(server, identity, |config| config).await
}

/// As [`leader`], with other settings.
pub async fn leader_with(
    server: &ApiServer,
    identity: &str,
    adjust: impl FnOnce(Config) -> Config,
) -> Result<ControlPlane> {
    let status = StatusConfig { identity: identity.to_owned(), lease_duration: Duration::from_secs(3) };
    let adjust = |config| adjust(Config { status: Some(status), root_namespace: ROOT.into(), ..config });
    let control_plane = ControlPlane::start_with(server, adjust).await?;
    control_plane.ready().await?;
    Ok(control_plane)
}

/// An object as the server has it.
pub async fn get(server: &ApiServer, namespace: &str, object: &str) -> Result<Value> {
    let text = server.kubectl(&["get", object, "-n", namespace, "-o", "json"]).await?;
    Ok(serde_json::from_str(&text)?)
}

/// Waits until an object says something, told of its newest generation. Gives the object.
pub async fn until(
    server: &ApiServer,
    namespace: &str,
    object: &str,
    condition: &str,
    says: impl Fn(&str, &str, &str) -> bool,
) -> Result<Value> {
    mesh_testkit::eventually(WITHIN, async || {
        let value = get(server, namespace, object).await?;
        let conditions = value["status"]["conditions"].as_array();
        let found = conditions.into_iter().flatten().find(|found| found["type"] == condition);
        let found = found.with_context(|| format!("{object} has no condition {condition}: {value:#}"))?;
        let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
        let level = found["observedGeneration"] == value["metadata"]["generation"];
        let met = level && says(&text("status"), &text("reason"), &text("message"));
        if met { Ok(value.clone()) } else { Err(anyhow::anyhow!("{object}: {found:#}")) }
    })
    .await
}
