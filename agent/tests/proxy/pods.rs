//! Pods of a headless Service have names of their own: the agent says where these lead, and Envoy lets requests for them through.

use super::{
    WITHIN,
    world::{ControlPlane, Proxy, World},
};
use anyhow::ensure;
use meltemi_local::{
    Identity,
    echo::{self, EchoSpec},
};
use mesh_model::{LocalPort, Protocol};
use mesh_testkit::{Envoy, eventually, ports::Loopback};
use std::net::IpAddr;

const SERVICE: &str = "pods.agent-pods.svc.cluster.local";
const PORT: u16 = 8080;

/// A headless Service with these pods in its slice, each with its own name.
fn headless(pods: &[(&str, IpAddr)]) -> String {
    let endpoints: Vec<_> = pods
        .iter()
        .map(|(name, address)| {
            format!("{{addresses: [{address}], hostname: {name}, conditions: {{ready: true}}}}")
        })
        .collect();
    format!(
        "apiVersion: v1
kind: Service
metadata: {{name: pods, namespace: agent-pods}}
spec: {{clusterIP: None, ports: [{{name: http, port: {PORT}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: pods-1, namespace: agent-pods, labels: {{kubernetes.io/service-name: pods}}}}
addressType: IPv4
ports: [{{name: http, port: {PORT}}}]
endpoints: [{}]
",
        endpoints.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_is_called_by_the_name_that_a_slice_gives_it() {
    let Some(envoy) = Envoy::binary() else { return };
    let outcome = async {
        let (one, two) = (Loopback::claim()?, Loopback::claim()?);
        let identity = Identity {
            pod: "one".into(),
            namespace: "agent-pods".into(),
            workload: "pods".into(),
            app: "pods".into(),
            version: "v1".into(),
        };
        let ports = vec![LocalPort { number: PORT, protocol: Protocol::Http }];
        let spec = EchoSpec { identity, pod_address: one.ip(), application: one.ip(), ports };
        let echo = echo::start(spec).await?;
        let world = World::new("agent-pods", &[("pods.yaml", &headless(&[("one", one.ip())]))]).await?;
        let plane = ControlPlane::start(&world).await?;
        plane.workload("hello-0").await?;
        let proxy = Proxy::start(&world, &plane, &envoy)?;
        eventually(WITHIN, async || proxy.ready().await).await?;
        let leads_to = async |name: &str, expected: &[&Loopback]| {
            let mut expected: Vec<_> = expected.iter().map(|at| at.ip().to_string()).collect();
            expected.sort();
            eventually(WITHIN, async || {
                let mut found = proxy.resolve(&format!("{name}.")).await?;
                found.sort();
                ensure!(found == expected, "{name} leads to {found:?}, not to {expected:?}");
                Ok(())
            })
            .await
        };
        let own = format!("one.{SERVICE}");
        leads_to(&own, &[&one]).await?;
        let status = proxy.request_to(&format!("{own}:{PORT}"), "/").await?;
        ensure!(status == 200 && echo.requests() == 1, "{status}, {} requests", echo.requests());
        // Another one comes, and then takes its place.
        world.write("pods.yaml", &headless(&[("one", one.ip()), ("two", two.ip())]))?;
        leads_to(&format!("two.{SERVICE}"), &[&two]).await?;
        leads_to(&own, &[&one]).await?;
        leads_to(SERVICE, &[&one, &two]).await?;
        world.write("pods.yaml", &headless(&[("one", two.ip())]))?;
        leads_to(&own, &[&two]).await
    };
    outcome.await.unwrap_or_else(|error: anyhow::Error| panic!("{error:#}"));
}
