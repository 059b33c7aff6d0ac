//! Servers take mTLS before their clients are told to speak it, and until these are told not to.

use mesh_tests::{
    Asker,
    flow::{Recorder, TestMesh, within},
};
use pilot_xds::{resource::ResourceType, testing::proxy::Refuse};
use std::sync::{Arc, Mutex, PoisonError};

type Outcome = anyhow::Result<()>;

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {clusterIP: 10.0.0.1, selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: web-1, namespace: default, labels: {kubernetes.io/service-name: web}}
addressType: IPv4
ports: [{name: http, port: 8080}]
endpoints: [{addresses: [10.1.0.1], conditions: {ready: true}, targetRef: {kind: Pod, name: web-1}}]
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: default, labels: {app: web, security.istio.io/tlsMode: istio}}
spec: {containers: [{name: web}]}
status: {podIP: 10.1.0.1}
";

/// A PeerAuthentication of the namespace.
fn mode(mode: &str) -> String {
    format!(
        "
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: default}}
spec: {{mtls: {{mode: {mode}}}}}
"
    )
}

/// Who was told of what, in the order in which it came.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<&'static str>>>);

impl Told {
    /// Writes down `line` when something of `kind` comes, and takes it.
    fn when(&self, kind: ResourceType, line: &'static str) -> Refuse {
        let told = self.clone();
        Arc::new(move |came, _| {
            let mut told = told.0.lock().unwrap_or_else(PoisonError::into_inner);
            if came == kind && told.last() != Some(&line) {
                told.push(line);
            }
            None
        })
    }

    fn take(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[tokio::test]
async fn whoever_would_be_refused_waits() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("mode.yaml", &mode("DISABLE"))]).await?;
    let server = Asker { address: [10, 1, 0, 1].into(), identity: true, ..Asker::new("default", "web-1") };
    let client = Asker { identity: true, ..Asker::new("default", "client") };
    let told = Told::default();
    let _server = mesh
        .connect(&server, Recorder::new(mesh.envoy(&server)), told.when(ResourceType::Listener, "server"))
        .await?;
    // The server has a client's part, too, which is not what this is about.
    let _client = mesh
        .connect(&client, Recorder::new(mesh.envoy(&client)), told.when(ResourceType::Endpoints, "client"))
        .await?;
    for (to, wanted) in [
        ("PERMISSIVE", ["server", "client"]),
        ("DISABLE", ["client", "server"]),
        ("STRICT", ["server", "client"]),
        ("DISABLE", ["client", "server"]),
    ] {
        told.take();
        mesh.edit("mode.yaml", &mode(to)).await?;
        within(mesh.pilot.acknowledged()).await?;
        anyhow::ensure!(told.take() == wanted, "{to}: not in the order {wanted:?}");
    }
    Ok(())
}

#[tokio::test]
async fn nobody_waits_for_what_he_may_do_now() -> Outcome {
    let mesh = TestMesh::start(&[("web.yaml", WEB), ("mode.yaml", &mode("PERMISSIVE"))]).await?;
    let client = Asker { identity: true, ..Asker::new("default", "client") };
    let _client = mesh.delta(&client).await?;
    let before = mesh.pilot.publisher().epoch()[0];
    mesh.edit("mode.yaml", &mode("STRICT")).await?;
    within(mesh.pilot.acknowledged()).await?;
    anyhow::ensure!(mesh.pilot.publisher().epoch()[0] == before + 1, "there was one turn");
    Ok(())
}
