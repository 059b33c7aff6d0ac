//! Zones that keep requests to themselves: `zoneAwareLbSetting`.

use crate::run;
use anyhow::ensure;
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request};
use std::{collections::BTreeMap, time::Duration};

/// Within which what was acknowledged is taken up.
const SOON: Duration = Duration::from_secs(20);

/// With half of the clients in each of two zones, and half of the endpoints, a zone can keep to itself; where all clients are in one, half of
/// what they ask is too much for its endpoints.
#[test]
fn zones_keep_what_they_can_bear() {
    run(async |traffic| {
        let one_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
        let outside = Outside::start("zones", &one_each).await?;
        let addresses = outside.addresses();
        let mesh = |min: u32, other_clients: &str| {
            format!(
                "apiVersion: networking.istio.io/v1\n\
                 kind: ServiceEntry\n\
                 metadata: {{name: zones, namespace: zones}}\n\
                 spec:\n\
                 \x20 hosts: [zones.test]\n\
                 \x20 resolution: STATIC\n\
                 \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n\
                 \x20 endpoints: [{{address: {}, locality: eu/a}}, {{address: {}, locality: eu/b}}]\n\
                 ---\n\
                 apiVersion: networking.istio.io/v1\n\
                 kind: DestinationRule\n\
                 metadata: {{name: zones, namespace: zones}}\n\
                 spec:\n\
                 \x20 host: zones.test\n\
                 \x20 trafficPolicy: {{loadBalancer: {{zoneAwareLbSetting: {{minClusterSize: {min}}}}}}}\n\
                 {other_clients}",
                addresses[0], addresses[1]
            )
        };
        // A replica of the client, as far as its labels tell. Nobody calls it.
        let replica = "---\n\
                       apiVersion: networking.istio.io/v1\n\
                       kind: WorkloadEntry\n\
                       metadata: {name: zoned-1, namespace: zones}\n\
                       spec: {address: 192.0.2.1, locality: eu/b, labels: {app: zoned}}\n";
        let (proxy, request) = (traffic.proxy("zoned-0")?, Request::get("http://zones.test/")?);
        for (what, yaml, expected) in [
            ("a client in each zone", mesh(1, replica), 100..=100),
            ("all clients in one zone", mesh(1, ""), 25..=75),
            ("too few endpoints", mesh(3, replica), 25..=75),
        ] {
            traffic.apply("zones.yaml", &yaml).await?;
            // Acknowledged is not yet taken up by every thread.
            eventually(SOON, async || {
                let mut near = 0;
                for _ in 0..100 {
                    near += usize::from(request.send(proxy).await?.version() == "v1");
                }
                ensure!(expected.contains(&near), "{what}: {near} of 100 in the zone");
                Ok(())
            })
            .await?;
        }
        traffic.remove("zones.yaml").await
    });
}
