//! ServiceEntries that are one service: each says of itself what became of it.

use anyhow::Context;
use mesh_model::{Kind, ObjectRef};
use mesh_tests::{
    Asker,
    flow::{TestMesh, within},
};
use pilot_xds::resource::ResourceType;

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

/// What a proxy rejects of a port that the younger alone has is its fault as well.
#[tokio::test]
async fn listeners_are_blamed_on_all() -> anyhow::Result<()> {
    let plain = entry("a", "{number: 80, name: http, protocol: HTTP}");
    let opaque = entry("b", "{number: 3306, name: tcp, protocol: TCP}");
    let mesh = TestMesh::start(&[("a.yaml", &plain), ("b.yaml", &opaque)]).await?;
    let proxy = mesh.delta(&Asker::default()).await?;
    proxy.settle(&mesh).await?;
    let name = mesh.pilot.publisher().proxies()[0].name.clone();
    let snapshot = mesh.pilot.publisher().snapshot(&name).context("it is connected")?;
    let resources = |kind| snapshot.layers.iter().flat_map(move |layer| layer.resources(kind).values());
    for (kind, part) in [(ResourceType::Listener, "_3306"), (ResourceType::VirtualHost, "db.example.com:80")]
    {
        let found = resources(kind).find(|resource| resource.name().contains(part)).context(part)?;
        let blamed: Vec<String> = found.origins().iter().map(ToString::to_string).collect();
        anyhow::ensure!(blamed == ["ServiceEntry default/a", "ServiceEntry default/b"], "{part}: {blamed:?}");
    }
    Ok(())
}
