//! Two workloads, agents, Envoys, and mutual TLS alone between them, while the control plane goes away and comes back.

use anyhow::{Context, Result, ensure};
use mesh_testkit::{Envoy, eventually};

use super::{
    WITHIN,
    world::{ControlPlane, Pod, Proxy, World, closed},
};

const SERVER: &str = "server-0";
/// Each on a connection of its own.
const REQUESTS: usize = 20;

fn server(namespace: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: server, namespace: {namespace}}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: server}}}}
  template:
    metadata: {{labels: {{app: server}}}}
    spec: {{containers: [{{name: server, image: server, ports: [{{containerPort: 8080}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: server, namespace: {namespace}}}
spec:
  selector: {{app: server}}
  ports: [{{name: http, port: 80, targetPort: 8080}}]
"
    )
}

/// What of mutual TLS the server takes, and a status that the client's own proxy answers with.
fn settings(namespace: &str, mode: &str, status: u16) -> String {
    format!(
        "apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: {namespace}}}
spec: {{mtls: {{mode: {mode}}}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: server, namespace: {namespace}}}
spec:
  hosts: [server]
  http:
  - match: [{{uri: {{prefix: /teapot}}}}]
    directResponse: {{status: {status}}}
  - route: [{{destination: {{host: server}}}}]
"
    )
}

async fn requests(client: &Proxy) -> Result<()> {
    for _ in 0..REQUESTS {
        let status = client.request_to("server", "/").await?;
        ensure!(status == 200, "{status}\n{}", client.log());
    }
    Ok(())
}

/// The agent is killed, and its Envoy with it; another one takes their place.
async fn killed_and_started(mut proxy: Proxy) -> Result<Proxy> {
    let connection = tokio::net::TcpStream::connect(proxy.listen().admin).await?;
    proxy.signal("KILL");
    proxy.wait().await?;
    closed(connection).await;
    let proxy = Proxy::restart(proxy)?;
    eventually(WITHIN, async || proxy.ready().await).await.with_context(|| proxy.log())?;
    Ok(proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn mutual_tls_outlives_the_control_plane() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        const NAMESPACE: &str = "agent-mutual";
        let settings = |mode, status| settings(NAMESPACE, mode, status);
        let files = [("server.yaml", &*server(NAMESPACE)), ("settings.yaml", &*settings("STRICT", 418))];
        let world = World::new(NAMESPACE, &files).await?;
        let plane = ControlPlane::start(&world).await?;
        let _application = plane.start_echo_of(SERVER).await?;
        let client = Proxy::start(&world, &plane, &envoy)?;
        let pod = Pod { name: SERVER, role: "sidecar", root: &world.root().join("server"), more: &[] };
        let server = Proxy::start_of(&pod, &world, &plane, &envoy)?;
        for proxy in [&client, &server] {
            eventually(WITHIN, async || proxy.ready().await).await.with_context(|| proxy.log())?;
        }
        eventually(WITHIN, async || requests(&client).await).await?;
        ensure!(!server.answers_plaintext().await?, "mutual TLS alone is taken");

        // Away: what runs goes on, and what is started anew, on either side, is what it was.
        let stopped = plane.stop().await;
        requests(&client).await.context("the control plane is away")?;
        let server = killed_and_started(server).await.context("the server")?;
        requests(&client).await.context("the server was started anew")?;
        ensure!(!server.answers_plaintext().await?, "mutual TLS alone is taken as before");
        let client = killed_and_started(client).await.context("the client")?;
        requests(&client).await.context("the client was started anew")?;

        // Back: both hear of what was edited meanwhile, and of what is edited then.
        world.write("settings.yaml", &settings("PERMISSIVE", 409))?;
        let plane = stopped.start_again().await?;
        let reached = async |status: u16, plaintext: bool| {
            eventually(WITHIN, async || {
                let got = (client.request_to("server", "/teapot").await?, server.answers_plaintext().await?);
                ensure!(got == (status, plaintext), "{got:?}\n{}\n{}", client.log(), server.log());
                Ok(())
            })
            .await
        };
        reached(409, true).await?;
        world.write("settings.yaml", &settings("STRICT", 410))?;
        reached(410, false).await?;
        requests(&client).await?;
        drop(plane);
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
