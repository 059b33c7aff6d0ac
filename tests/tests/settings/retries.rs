//! How requests are tried again where no route says it: `defaultHttpRetryPolicy`. The client runs in `eu/a`.

use super::{SOON, mesh_settings, run};
use anyhow::{Context, Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{Answer, HTTP_PORT, Outside, Request, Traffic};
use std::{collections::BTreeMap, time::Duration};

/// A service of two replicas, one of `v1` beside the client and one of `v2` far away, under a rule.
async fn two_places(traffic: &Traffic, name: &str, policy: &str) -> Result<Outside> {
    let one_each = BTreeMap::from([("v1".to_owned(), 1), ("v2".to_owned(), 1)]);
    let outside = Outside::start(name, &one_each).await?;
    let addresses = outside.addresses();
    let yaml = format!(
        "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: {name}, namespace: set}}\n\
         spec:\n  hosts: [{name}.test]\n  location: MESH_EXTERNAL\n  resolution: STATIC\n\
         \x20 ports: [{{number: 80, name: http, protocol: HTTP, targetPort: {HTTP_PORT}}}]\n\
         \x20 endpoints: [{{address: {}, locality: eu/a}}, {{address: {}, locality: us/a}}]\n\
         ---\n\
         apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: {name}, namespace: set}}\n\
         spec: {{host: {name}.test, trafficPolicy: {policy}}}\n",
        addresses[0], addresses[1]
    );
    traffic.apply(&format!("{name}.yaml"), &yaml).await?;
    Ok(outside)
}

/// So many requests, one after the other.
async fn ask(traffic: &Traffic, url: &str, times: usize) -> Result<Vec<Answer>> {
    let (request, proxy) = (Request::get(url)?, traffic.proxy("client-0")?);
    let mut answers = Vec::new();
    for _ in 0..times {
        answers.push(request.send(proxy).await?);
    }
    Ok(answers)
}

#[test]
fn settings_say_how_often_and_where_else() {
    run(async |traffic| {
        // How long an attempt may take, and how long it is waited before the next.
        let server = Outside::start("waited", &BTreeMap::from([("v1".to_owned(), 1)])).await?;
        let entry = server.service_entry("waited", "waited.test");
        traffic.apply("waited.yaml", &entry).await?;
        let policy =
            |more: &str| mesh_settings(&format!("defaultHttpRetryPolicy: {{retryOn: '5xx', {more}}}"));
        traffic.apply("mesh.yaml", &policy("attempts: 1, perTryTimeout: 200ms, backoff: 1ms")).await?;
        eventually(SOON, async || {
            let answers = ask(traffic, "http://waited.test/?delay=3s", 1).await?;
            let answer = answers.first().context("an answer")?;
            ensure!(answer.status == 504 && answer.took < Duration::from_secs(2), "{}", answer.summary());
            Ok(())
        })
        .await?;
        server.set_failing("v1-0", true)?;
        // Waits are random, from nothing on. Five with the usual 25 ms are at most 775 ms; with half a second they are less than 800 ms
        // once in twenty thousand runs.
        traffic.apply("mesh.yaml", &policy("attempts: 5, backoff: 500ms")).await?;
        eventually(SOON, async || {
            let before = server.requests();
            let answers = ask(traffic, "http://waited.test/", 1).await?;
            let (answer, attempts) = (answers.first().context("an answer")?, server.requests() - before);
            ensure!(
                attempts == 6 && answer.took > Duration::from_millis(800),
                "{attempts}: {}",
                answer.summary()
            );
            Ok(())
        })
        .await?;
        traffic.remove("waited.yaml").await?;

        // Whether the next attempt may go where the last one failed: of 200 requests a quarter fail twice then.
        let outside = two_places(traffic, "again", "{loadBalancer: {simple: RANDOM}}").await?;
        outside.set_failing("v1-0", true)?;
        for (more, lost) in
            [("retryIgnorePreviousHosts: false", 15..=90), ("retryIgnorePreviousHosts: true", 0..=5)]
        {
            traffic.apply("mesh.yaml", &policy(&format!("attempts: 1, backoff: 1ms, {more}"))).await?;
            eventually(SOON, async || {
                let answers = ask(traffic, "http://again.test/", 200).await?;
                let failed = answers.iter().filter(|answer| answer.status == 503).count();
                ensure!(lost.contains(&failed), "{more}: {failed} of 200 failed");
                Ok(())
            })
            .await?;
        }
        traffic.remove("again.yaml").await?;

        // The near one fails, and is trusted all the same: only an attempt that may leave the place gets an answer.
        let outside = two_places(traffic, "leaving", "{outlierDetection: {consecutive5xxErrors: 0}}").await?;
        outside.set_failing("v1-0", true)?;
        for (more, status) in [("perTryTimeout: 5s", 503), ("retryRemoteLocalities: true", 200)] {
            traffic.apply("mesh.yaml", &policy(&format!("attempts: 2, backoff: 1ms, {more}"))).await?;
            eventually(SOON, async || {
                let answers = ask(traffic, "http://leaving.test/", 10).await?;
                let other = answers.iter().find(|answer| answer.status != status);
                ensure!(other.is_none(), "{more}: {}", other.map(Answer::summary).unwrap_or_default());
                Ok(())
            })
            .await?;
        }
        traffic.remove("leaving.yaml").await?;
        traffic.remove("mesh.yaml").await
    });
}
