//! What the agent takes of memory, in a small mesh and in a large one.

use super::{
    WITHIN, answers, teapot,
    world::{ControlPlane, Memory, Proxy, World},
};
use anyhow::{Result, ensure};
use mesh_testkit::{Envoy, eventually};
use std::fmt::Write as _;

/// What the agent may take beside each Envoy.
const MOST_MEMORY: u64 = 15 << 20;

/// What the agent takes: no more than it may, pages of its program included.
pub(super) fn small(proxy: &Proxy, what: &str) -> Result<String> {
    let Memory { all, own, most } = proxy.resident_memory()?;
    let told = format!(
        "the agent's memory {what}: {} KiB resident, {} KiB of its own, {} KiB at most",
        all >> 10,
        own >> 10,
        most >> 10
    );
    ensure!(all <= MOST_MEMORY, "{told}");
    Ok(told)
}

/// Services that every proxy of the mesh is told of.
fn services(count: usize) -> String {
    let mut yaml = String::new();
    for index in 0..count {
        let address = format!("10.7.{}.{}", index / 250, index % 250 + 1);
        let _ = write!(
            yaml,
            "---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {{name: service-{index}, namespace: large}}
spec:
  hosts: [service-{index}.large.test]
  addresses: [{address}]
  ports: [{{number: 80, name: http, protocol: HTTP}}, {{number: 9000, name: tcp, protocol: TCP}}]
  resolution: STATIC
  endpoints: [{{address: {address}}}, {{address: {address}, locality: region/zone}}]
"
        );
    }
    yaml
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_stays_small_in_a_large_mesh() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let large = services(1_000);
        let world =
            World::new("agent-large", &[("hello.yaml", &teapot(418)), ("large.yaml", &large)]).await?;
        let plane = ControlPlane::start(&world).await?;
        let _echo = plane.start_echo().await?;
        let proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        // It has all of it: names, and what is kept for a restart.
        eventually(WITHIN, async || {
            let addresses = proxy.resolve("service-999.large.test.").await?;
            ensure!(addresses == ["10.7.3.250"], "{addresses:?}");
            Ok(())
        })
        .await?;
        let mut published = plane.pilot.published();
        published.mark_unchanged();
        // All of it again, as it changes.
        world.write("large.yaml", &large.replace("number: 9000", "number: 9001"))?;
        tokio::time::timeout(WITHIN, published.changed()).await??;
        tokio::time::timeout(WITHIN, plane.pilot.acknowledged()).await?;
        let at_work = proxy.resident_memory()?;
        // What that took is given back.
        println!("{}", eventually(WITHIN, async || small(&proxy, "with 1,000 services")).await?);
        let Memory { all, own, most } = at_work;
        println!("before: {} KiB resident, {} of its own, {} at most", all >> 10, own >> 10, most >> 10);
        ensure!(own <= MOST_MEMORY, "{own} bytes of its own");
        // And it goes on.
        let addresses = proxy.resolve("service-998.large.test.").await?;
        ensure!(addresses == ["10.7.3.249"], "{addresses:?}");
        answers(&proxy, "/teapot", 418).await?;
        Ok(())
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
