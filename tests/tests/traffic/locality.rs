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
    two_with(traffic, name, ["locality: eu/a", "locality: us/a"], policy).await
}

/// A workload of version `v1` and one of `v2` that are otherwise like this.
async fn two_with(
    traffic: &Traffic,
    name: &str,
    otherwise: [&str; 2],
    policy: &str,
) -> Result<(Outside, Request)> {
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
    for (address, otherwise) in outside.addresses().into_iter().zip(otherwise) {
        let _ = writeln!(yaml, "  - {{address: {address}, {otherwise}}}");
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

/// Who answers 60 requests from `eu/a`: `v1`, and the rest.
async fn answers_of_first(traffic: &Traffic, request: &Request) -> Result<usize> {
    let mut first = 0;
    for _ in 0..60 {
        let answer = request.send(traffic.proxy(CLIENT)?).await?;
        ensure!(answer.status == 200, "{}", answer.summary());
        first += usize::from(answer.version() == "v1");
    }
    Ok(first)
}

#[test]
fn what_comes_first_may_be_said_otherwise() {
    run(async |traffic| {
        let places = |first: &'static str, second: &'static str| [first, second];
        let policy = |setting: &str| {
            format!("{{outlierDetection: {{}}, loadBalancer: {{simple: ROUND_ROBIN, {setting}}}}}")
        };
        for (name, otherwise, setting, expected) in [
            // Nobody is in the client's region: which one comes next is said, and otherwise both would be alike.
            (
                "next-region",
                places("locality: asia/a", "locality: us/a"),
                "localityLbSetting: {failover: [{from: eu, to: asia}]}",
                60..=60,
            ),
            (
                "other-region",
                places("locality: asia/a", "locality: us/a"),
                "localityLbSetting: {failover: [{from: eu, to: us}]}",
                0..=0,
            ),
            // Labels that the client has, too.
            (
                "by-label",
                places("labels: {app: other}", "labels: {app: client}"),
                "localityLbSetting: {failoverPriority: [app]}",
                0..=0,
            ),
            (
                "by-value",
                places("labels: {tier: gold}", "labels: {tier: silver}"),
                "localityLbSetting: {failoverPriority: ['tier=gold']}",
                60..=60,
            ),
            (
                "zone-next",
                places("locality: asia/a", "locality: us/a"),
                "zoneAwareLbSetting: {failover: [{from: eu, to: us}]}",
                0..=0,
            ),
            (
                "zone-value",
                places("labels: {tier: gold}", "labels: {tier: silver}"),
                "zoneAwareLbSetting: {failoverPriority: ['tier=silver']}",
                0..=0,
            ),
            (
                "place-labels",
                places("labels: {istio-locality: us.a}", "labels: {topology.istio.io/locality: eu/a}"),
                "localityLbSetting: {enabled: true}",
                0..=0,
            ),
            (
                "no-zones",
                places("locality: eu/a", "locality: us/a"),
                "zoneAwareLbSetting: {enabled: false}",
                25..=35,
            ),
            (
                "no-places",
                places("locality: eu/a", "locality: us/a"),
                "localityLbSetting: {enabled: false}",
                25..=35,
            ),
        ] {
            let (_outside, request) = two_with(traffic, name, otherwise, &policy(setting)).await?;
            let first = answers_of_first(traffic, &request).await?;
            ensure!(expected.contains(&first), "{setting}: {first} of 60 by {}", otherwise[0]);
        }
        Ok(())
    });
}

/// The near one fails, and is trusted all the same: only a retry that may leave the place gets an answer.
#[test]
fn retries_may_go_to_another_place() {
    run(async |traffic| {
        let policy = "{outlierDetection: {consecutive5xxErrors: 0}}";
        let (outside, request) = two_places(traffic, "remote", policy).await?;
        outside.set_failing("v1-0", true)?;
        let proxy = traffic.proxy(CLIENT)?;
        let yaml = |retries: &str| {
            let addresses = outside.addresses();
            let entry = outside.service_entry("remote", "remote.test");
            let placed = [(addresses[0], "eu/a"), (addresses[1], "us/a")].into_iter().fold(
                entry,
                |yaml, (address, place)| {
                    yaml.replace(
                        &format!("address: {address},"),
                        &format!("address: {address}, locality: {place},"),
                    )
                },
            );
            placed + &rules("remote", policy, &format!("retries: {{attempts: 2, retryOn: 5xx, {retries}}}, "))
        };
        for (retries, status) in [("perTryTimeout: 5s", 503), ("retryRemoteLocalities: true", 200)] {
            traffic.apply("remote.yaml", &yaml(retries)).await?;
            eventually(SOON, async || {
                let answer = request.send(proxy).await?;
                ensure!(answer.status == status, "{retries}: {}", answer.summary());
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}

/// Services say by themselves that near endpoints come first, without any DestinationRule about places.
#[test]
fn a_service_may_prefer_what_is_near() {
    run(async |traffic| {
        let outside =
            Outside::start("nearby", &BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)])).await?;
        let addresses = outside.addresses();
        for (annotation, expected) in
            [("", 15..=45), ("networking.istio.io/traffic-distribution: PreferClose", 60..=60)]
        {
            let yaml = format!(
                "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n\
                 metadata: {{name: nearby, namespace: traffic, annotations: {{{annotation}}}}}\n\
                 spec:\n  hosts: [nearby.test]\n  resolution: STATIC\n\
                 \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n\
                 \x20 endpoints: [{{address: {}, locality: eu/a}}, {{address: {}, locality: us/a}}]\n",
                addresses[0], addresses[1]
            );
            traffic.apply("nearby.yaml", &yaml).await?;
            let request = Request::get("http://nearby.test/")?;
            eventually(SOON, async || {
                let near = answers_of_first(traffic, &request).await?;
                ensure!(expected.contains(&near), "{annotation}: {near} of 60 near");
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}

#[test]
fn weights_of_endpoints_count() {
    run(async |traffic| {
        let policy = "{loadBalancer: {simple: ROUND_ROBIN}}";
        let (_outside, request) = two_with(traffic, "weighed", ["weight: 4", "weight: 1"], policy).await?;
        let first = answers_of_first(traffic, &request).await?;
        ensure!((44..=52).contains(&first), "{first} of 60 instead of 48");
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
        for attribute in ["SameSite=Strict", "Secure", "Path=/", "Max-Age=60"] {
            ensure!(made.contains(attribute), "{attribute} is missing: {made:?}");
        }
        let (cookie, _) = made.split_once(';').unwrap_or((made, ""));
        let again = Request::get("http://sessions.test/")?.header("cookie", &cookie.replace('"', ""))?;
        for _ in 0..20 {
            let answer = again.send(proxy).await?;
            ensure!(answer.pod() == first.pod(), "{}", answer.summary());
        }
        Ok(())
    });
}
