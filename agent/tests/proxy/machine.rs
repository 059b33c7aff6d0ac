//! A workload outside Kubernetes: it registers itself, is called while its agent finds it well, and is forgotten when it has gone.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use meltemi_local::{
    Identity,
    echo::{self, EchoSpec},
};
use mesh_model::{LocalPort, Protocol};
use mesh_testkit::{ApiServer, Envoy, eventually, ports::Loopback};
use pilot::{SourceConfig, StatusConfig};
use serde_json::Value;

use super::{
    WITHIN,
    world::{ControlPlane, Place, Proxy, World},
};

const NAMESPACE: &str = "machines";

const OBJECTS: &str = "\
apiVersion: networking.istio.io/v1
kind: WorkloadGroup
metadata: {name: vms, namespace: machines}
spec:
  metadata: {labels: {app: machine}}
  template: {serviceAccount: default}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: machine, namespace: machines}
spec:
  hosts: [machine.test]
  location: MESH_INTERNAL
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP, targetPort: 8080}]
  workloadSelector: {labels: {app: machine, rack: seven}}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_registers_itself_and_says_how_it_is() {
    let (Some(envoy), Some(server)) = (Envoy::binary(), ApiServer::own().await) else { return };
    come_and_go(&envoy, &server).await.unwrap_or_else(|error| panic!("{error:#}"));
}

async fn come_and_go(envoy: &Path, server: &ApiServer) -> Result<()> {
    let crds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/crds");
    server.kubectl(&["apply", "-f", crds.to_str().context("UTF-8")?]).await?;
    server.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"]).await?;
    for namespace in [NAMESPACE, "istio-system"] {
        server.kubectl(&["create", "namespace", namespace]).await?;
    }
    server.kubectl_with_input(&["apply", "-f", "-"], OBJECTS).await?;
    let world = World::new(NAMESPACE, &[]).await?;
    let source = SourceConfig::Cluster { kubeconfig: Some(server.kubeconfig_path().to_owned()) };
    let status = StatusConfig { identity: "one".into(), lease_duration: Duration::from_secs(3) };
    let plane = ControlPlane::start_from(&world, source, Some(status)).await?;

    let (address, inside) = (Loopback::claim()?, Loopback::claim()?);
    let identity = Identity {
        pod: "machine".into(),
        namespace: NAMESPACE.into(),
        workload: "machine".into(),
        app: "machine".into(),
        version: "v1".into(),
    };
    let application = echo::start(EchoSpec {
        identity,
        pod_address: address.ip(),
        application: inside.ip(),
        ports: vec![LocalPort { number: 8080, protocol: Protocol::Http }],
    })
    .await?;
    let probe = format!(
        r#""readinessProbe": {{"httpGet": {{"host": "{}", "port": 8080, "path": "/ready"}}, "periodSeconds": 1, "failureThreshold": 2}}"#,
        inside.ip()
    );
    let place = Place {
        name: "machine",
        role: "sidecar",
        root: world.root(),
        address: address.ip(),
        application: inside.ip(),
        settings: &probe,
    };
    let environment =
        [("ISTIO_META_AUTO_REGISTER_GROUP", "vms"), ("ISTIO_METAJSON_LABELS", r#"{"rack": "seven"}"#)];
    let mut proxy = Proxy::start_at(&place, &environment, &world, &plane, envoy)?;

    let name = format!("vms-{}", address.ip());
    let says = async |well: &str, what: &str| {
        eventually(WITHIN, async || {
            let text = server.kubectl(&["get", "workloadentry", &name, "-n", NAMESPACE, "-o", "json"]).await;
            let entry: Value = serde_json::from_str(&text.with_context(|| proxy.log())?)?;
            let conditions = entry["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let health =
                conditions.iter().find(|condition| condition["type"] == "Healthy").context("no health")?;
            let message = health["message"].as_str().unwrap_or_default();
            ensure!(health["status"] == well && message.contains(what), "{health:#}");
            Ok(())
        })
        .await
    };
    says("True", "").await?;
    // It calls itself, out through its proxy and in again.
    eventually(WITHIN, async || {
        let status = proxy.request_to("machine.test", "/").await?;
        ensure!(status == 200, "{status}\n{}", proxy.log());
        Ok(())
    })
    .await?;
    ensure!(SocketAddr::new(address.ip(), 8080) == proxy.inbound());
    application.set_failing(true);
    says("False", "503").await?;
    eventually(WITHIN, async || {
        let status = proxy.request_to("machine.test", "/").await?;
        ensure!(status == 503, "{status}");
        Ok(())
    })
    .await?;
    application.set_failing(false);
    says("True", "").await?;

    proxy.signal("TERM");
    proxy.wait().await?;
    eventually(WITHIN, async || {
        let found = server.kubectl(&["get", "workloadentries", "-n", NAMESPACE, "-o", "name"]).await?;
        ensure!(found.trim().is_empty(), "{found}");
        Ok(())
    })
    .await?;
    application.stop().await;
    drop(plane);
    Ok(())
}
