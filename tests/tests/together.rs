//! ServiceEntries that are one service: each says of itself what became of it.

use anyhow::Context;
use mesh_model::{Kind, ObjectRef};
use mesh_tests::{
    Asker,
    flow::{TestMesh, within},
};

/// A ServiceEntry for the host, with one port.
fn entry(name: &str, port: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: {name}, namespace: default}}
spec:
  hosts: [db.example.com]
  resolution: STATIC
  ports: [{port}]
  endpoints: [{{address: 10.2.0.1}}]
"
    )
}

#[tokio::test]
async fn the_younger_is_programmed_as_the_older_is() -> anyhow::Result<()> {
    let plain = entry("a", "{number: 80, name: http, protocol: HTTP}");
    let secure = entry("b", "{number: 443, name: tls, protocol: TLS}");
    let mesh = TestMesh::start(&[("a.yaml", &plain), ("b.yaml", &secure)]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.settle(&mesh).await?;
    within(mesh.pilot.acknowledged()).await?;
    for name in ["a", "b"] {
        let object = ObjectRef::new(Kind::ServiceEntry, "default", name);
        let [.., programmed] = mesh.pilot.status(&object).with_context(|| format!("there is no {name}"))?;
        anyhow::ensure!(programmed.message.contains("1 of 1"), "{name}: {}", programmed.message);
    }
    Ok(())
}
