//! Near endpoints first: the client runs in `eu/a`.

use crate::{CLIENT, failover::rules, figures, run};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request, Traffic};
use std::{
    collections::BTreeMap,
    fmt::Write,
    time::{Duration, Instant},
};

/// Far more than it takes.
const SOON: Duration = Duration::from_secs(20);

/// A workload of version `v1` in the client's zone, and one of `v2` far away, under `<name>.test` and this policy.
async fn two_places(traffic: &Traffic, name: &str, policy: &str) -> Result<(Outside, Request)> {
    let one_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
    let outside = Outside::start(name, &one_each).await?;
    let mut yaml = format!(
        "apiVersion: networking.istio.io/v1\n\
         kind: ServiceEntry\n\
         metadata: {{name: {name}, namespace: traffic}}\n\
         spec:\n\
         \x20 hosts: [{name}.test]\n\
         \x20 location: MESH_EXTERNAL\n\
         \x20 resolution: STATIC\n\
         \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n\
         \x20 endpoints:\n"
    );
    for (address, place) in outside.addresses().into_iter().zip(["eu/a", "us/a"]) {
        let _ = writeln!(yaml, "  - {{address: {address}, locality: {place}}}");
    }
    yaml += &rules(name, policy, "retries: {attempts: 0}, ");
    traffic.apply(&format!("{name}.yaml"), &yaml).await?;
    Ok((outside, Request::get(&format!("http://{name}.test/"))?))
}

#[test]
fn failover_moves_and_comes_back() {
    run(async |traffic| {
        let policy = "{outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 2s, \
                      maxEjectionPercent: 100}}";
        let (outside, request) = two_places(traffic, "failover", policy).await?;
        let proxy = traffic.proxy(CLIENT)?;
        let answered_by = async |version: &str| -> Result<()> {
            let answer = request.send(proxy).await?;
            ensure!(answer.status == 200 && answer.version() == version, "{}", answer.summary());
            Ok(())
        };
        for _ in 0..20 {
            answered_by("v1").await?;
        }

        outside.set_failing("v1-0", true)?;
        let (failed, before) = (Instant::now(), outside.requests());
        eventually(SOON, async || answered_by("v2").await).await?;
        let (moved, lost) = (failed.elapsed(), outside.requests() - before - 1);
        ensure!(lost >= 3, "{lost} failures moved what takes three");

        outside.set_failing("v1-0", false)?;
        let healed = Instant::now();
        eventually(SOON, async || answered_by("v1").await).await?;
        figures::tell(
            "locality-failover",
            &format!(
                "without retries {lost} requests lost in {moved:.0?} until they went elsewhere; back {:.1?} after healing",
                healed.elapsed()
            ),
        )
    });
}

#[test]
fn shares_of_places() {
    run(async |traffic| {
        let policy =
            "{loadBalancer: {localityLbSetting: {distribute: [{from: eu/*, to: {eu: 80, us: 20}}]}}}";
        let (_outside, request) = two_places(traffic, "shares", policy).await?;
        let proxy = traffic.proxy(CLIENT)?;
        let mut near = 0;
        for _ in 0..200 {
            near += usize::from(request.send(proxy).await?.version() == "v1");
        }
        ensure!((120..=190).contains(&near), "{near} of 200 instead of 80%");
        Ok(())
    });
}

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

#[test]
fn places_do_not_count_without_outlier_detection() {
    run(async |traffic| {
        let (_outside, request) =
            two_places(traffic, "anywhere", "{loadBalancer: {simple: ROUND_ROBIN}}").await?;
        let proxy = traffic.proxy(CLIENT)?;
        let mut near = 0;
        for _ in 0..40 {
            near += usize::from(request.send(proxy).await?.version() == "v1");
        }
        ensure!((10..=30).contains(&near), "{near} of 40 instead of half");
        Ok(())
    });
}

#[test]
fn a_cookie_that_is_made_has_its_attributes() {
    run(async |traffic| {
        let policy = "{loadBalancer: {consistentHash: {httpCookie: {name: session, ttl: 60s, path: /, \
                      attributes: [{name: SameSite, value: Strict}, {name: Secure}]}}}}";
        let (_outside, request) = two_places(traffic, "sessions", policy).await?;
        let proxy = traffic.proxy(CLIENT)?;
        let first = request.send(proxy).await?;
        let made = first.header("set-cookie").unwrap_or_default();
        ensure!(made.starts_with("session="), "{made:?}");
        ensure!(made.contains("SameSite=Strict") && made.contains("Secure"), "{made:?}");
        let (cookie, _) = made.split_once(';').unwrap_or((made, ""));
        let again = Request::get("http://sessions.test/")?.header("cookie", &cookie.replace('"', ""))?;
        for _ in 0..20 {
            let answer = again.send(proxy).await?;
            ensure!(answer.pod() == first.pod(), "{}", answer.summary());
        }
        Ok(())
    });
}
