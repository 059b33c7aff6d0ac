//! Where clients run, by the labels of their nodes: `trafficDistribution` of Services.

use super::{WITHIN, echo_at, get, settings::Settings};
use anyhow::{Result, ensure};
use meltemi_local::echo::EchoHandle;
use mesh_testkit::eventually;
use mesh_tests::traffic::namespace::Namespace;
use std::{collections::BTreeSet, net::IpAddr};

/// Those who answer, by the last byte of their addresses: on the client's own node, on another of its zone, and elsewhere.
const SERVERS: [(&str, u8); 3] = [("same-node", 21), ("same-zone", 22), ("elsewhere", 23)];
/// More than enough to find all who answer.
const REQUESTS: usize = 40;

/// Programs on the bridge, which no sidecar is beside.
pub(super) async fn serve(hub: &Namespace) -> Result<Vec<EchoHandle>> {
    let mut serving = Vec::new();
    for (name, last) in SERVERS {
        let address = IpAddr::from([10, 77, 0, last]);
        hub.add_to_bridge(address)?;
        serving.push(echo_at(address, name).await?);
    }
    Ok(serving)
}

/// The Service with this field, where the node `beside` is in this zone, and the servers of these nodes answer. The client is on `here`.
fn yaml(distribution: &str, zone: &str, nodes: &[&str]) -> String {
    let node = |name: &str, zone: &str| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata:\n  name: {name}\n\
             \x20 labels: {{topology.kubernetes.io/region: eu, topology.kubernetes.io/zone: {zone}}}\n---\n"
        )
    };
    let endpoint = |(node, (_, last)): (&str, (&str, u8))| {
        let entry =
            format!("  - {{addresses: [10.77.0.{last}], nodeName: {node}, conditions: {{ready: true}}}}\n");
        nodes.contains(&node).then_some(entry)
    };
    let endpoints: String =
        ["here", "beside", "there"].into_iter().zip(SERVERS).filter_map(endpoint).collect();
    let nodes = [node("here", "a"), node("beside", zone), node("there", "b")].concat();
    format!(
        "{nodes}apiVersion: v1\nkind: Service\nmetadata: {{name: places, namespace: pods}}\n\
         spec:\n  clusterIP: 10.96.0.50\n  {distribution}\n\
         \x20 ports: [{{name: http, port: 80, targetPort: 8080}}]\n---\n\
         apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
         metadata: {{name: places-1, namespace: pods, labels: {{kubernetes.io/service-name: places}}}}\n\
         addressType: IPv4\nports: [{{name: http, port: 8080}}]\nendpoints:\n{endpoints}"
    )
}

pub(super) async fn ask(settings: &Settings) -> Result<()> {
    let all = ["here", "beside", "there"];
    let vip = IpAddr::from([10, 96, 0, 50]);
    for (distribution, zone, nodes, expected) in [
        ("", "a", &all[..], &["elsewhere", "same-node", "same-zone"][..]),
        ("trafficDistribution: PreferClose", "a", &all, &["same-node", "same-zone"]),
        ("", "a", &all, &["elsewhere", "same-node", "same-zone"]),
        ("trafficDistribution: PreferSameZone", "a", &all, &["same-node", "same-zone"]),
        ("trafficDistribution: PreferSameNode", "a", &all, &["same-node"]),
        // Whoever is nearest of those that there are.
        ("trafficDistribution: PreferSameNode", "a", &all[1..], &["same-zone"]),
        ("trafficDistribution: PreferSameZone", "a", &all[2..], &["elsewhere"]),
        // The nodes say what is near.
        ("trafficDistribution: PreferSameZone", "b", &all, &["same-node"]),
        ("trafficDistribution: PreferSameZone", "b", &all[1..], &["elsewhere", "same-zone"]),
    ] {
        settings.write("places.yaml", &yaml(distribution, zone, nodes))?;
        eventually(WITHIN * 2, async || {
            let mut answering = BTreeSet::new();
            for _ in 0..REQUESTS {
                let answer = get("places", (vip, 80)).await?;
                ensure!(answer.status == 200, "{}", answer.summary());
                answering.insert(answer.pod().to_owned());
            }
            let same = answering.iter().eq(expected);
            ensure!(same, "{distribution}, {nodes:?}, zone {zone}: {answering:?} answer, not {expected:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}
