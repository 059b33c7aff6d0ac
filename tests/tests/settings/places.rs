//! What the mesh says of near and far endpoints, and of failing ones, where no DestinationRule does. The client runs in `eu/a`.

use super::{SOON, mesh_settings, run};
use anyhow::ensure;
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request};
use std::collections::BTreeMap;

#[test]
fn settings_say_who_comes_first() {
    run(async |traffic| {
        let one_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
        let outside = Outside::start("places", &one_each).await?;
        let addresses = outside.addresses();
        // As in Istio near ones come first where a rule says when endpoints are ejected.
        let entry = format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: places, namespace: set}}\n\
             spec:\n  hosts: [places.test]\n  resolution: STATIC\n\
             \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n\
             \x20 endpoints: [{{address: {}, locality: eu/a}}, {{address: {}, locality: us/a}}]\n\
             ---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: places, namespace: set}}\n\
             spec: {{host: places.test, trafficPolicy: {{outlierDetection: {{}}}}}}\n",
            addresses[0], addresses[1]
        );
        traffic.apply("places.yaml", &entry).await?;
        let request = Request::get("http://places.test/")?;
        for (settings, near) in [
            ("connectTimeout: 9.7s", 60..=60),
            ("localityLbSetting: {enabled: false}", 15..=45),
            ("localityLbSetting: {distribute: [{from: eu/*, to: {us: 100}}]}", 0..=0),
            ("zoneAwareLbSetting: {enabled: false}", 15..=45),
        ] {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            eventually(SOON, async || {
                let mut first = 0;
                for _ in 0..60 {
                    let answer = request.send(traffic.proxy("client-0")?).await?;
                    ensure!(answer.status == 200, "{}", answer.summary());
                    first += usize::from(answer.version() == "v1");
                }
                ensure!(near.contains(&first), "{settings}: {first} of 60 near");
                Ok(())
            })
            .await?;
        }
        traffic.remove("mesh.yaml").await?;
        traffic.remove("places.yaml").await
    });
}

#[test]
fn settings_say_who_is_ejected() {
    run(async |traffic| {
        let outside =
            Outside::start("ejected", &BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)])).await?;
        outside.set_failing("v1-0", true)?;
        let routes = "---\napiVersion: networking.istio.io/v1\nkind: VirtualService\n\
                      metadata: {name: ejected, namespace: traffic}\nspec:\n  hosts: [ejected.test]\n\
                      \x20 http: [{retries: {attempts: 0}, route: [{destination: {host: ejected.test}}]}]\n";
        let yaml = outside.service_entry("ejected", "ejected.test") + routes;
        traffic.apply("ejected.yaml", &yaml).await?;
        let ejects = "defaultTrafficPolicy: {outlierDetection: {consecutive5xxErrors: 1, baseEjectionTime: 3m, maxEjectionPercent: 100}}";
        for (settings, failed) in [("connectTimeout: 9.6s", 10..=30), (ejects, 0..=0)] {
            traffic.apply("mesh.yaml", &mesh_settings(settings)).await?;
            eventually(SOON, async || {
                let mut failures = 0;
                for _ in 0..40 {
                    let answer =
                        Request::get("http://ejected.test/")?.send(traffic.proxy("client-0")?).await?;
                    failures += usize::from(answer.status == 503);
                }
                ensure!(failed.contains(&failures), "{settings}: {failures} of 40 failed");
                Ok(())
            })
            .await?;
        }
        traffic.remove("mesh.yaml").await?;
        traffic.remove("ejected.yaml").await
    });
}
