//! A replica whose ports are closed: nobody answers there, not even with an error.

use super::{SOON, service};
use crate::{CLIENT, figures, run};
use anyhow::{Result, ensure};
use mesh_testkit::eventually;
use mesh_tests::traffic::{HTTP_PORT, Outside, Request, Traffic};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    time::Instant,
};

/// How many requests are lost before an endpoint is ejected, if all go there.
const FAILURES: usize = 3;
const POLICY: &str = "{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {consecutive5xxErrors: 3, interval: 1s, \
                      baseEjectionTime: 2s, maxEjectionPercent: 100}}";
/// Enough that every replica's turn comes, whatever other requests do to the order.
const REQUESTS: usize = 60;

/// Answers other than 200, and the pods of the others.
async fn send(request: &Request, proxy: SocketAddr, count: usize) -> Result<(usize, BTreeSet<String>)> {
    let (mut lost, mut pods) = (0, BTreeSet::new());
    for _ in 0..count {
        let answer = request.send(proxy).await?;
        if answer.status == 200 {
            pods.insert(answer.pod().to_owned());
        } else {
            lost += 1;
        }
    }
    Ok((lost, pods))
}

async fn ejected(traffic: &Traffic, cluster: &str) -> Result<u64> {
    traffic.stat(CLIENT, &format!("cluster.{cluster};.outlier_detection.ejections_active")).await
}

#[test]
fn a_dead_replica_is_ejected_and_comes_back() {
    run(async |traffic| {
        let (mut outside, request) = service(traffic, "dead", 3, POLICY, "retries: {attempts: 0}, ").await?;
        let proxy = traffic.proxy(CLIENT)?;
        let (lost, pods) = send(&request, proxy, REQUESTS).await?;
        ensure!(lost == 0 && pods.len() == 3, "{lost} lost, {pods:?}");

        outside.set_dead("v1-1", true).await?;
        let died = Instant::now();
        let (mut sent, mut lost) = (0, 0);
        while ejected(traffic, "outbound|80||dead.test").await? == 0 {
            let (more, _) = send(&request, proxy, 1).await?;
            (sent, lost) = (sent + 1, lost + more);
            ensure!(lost <= FAILURES, "{lost} of {sent} requests lost, and it is not ejected");
        }
        let took = died.elapsed();
        ensure!(lost == FAILURES, "{lost} lost instead of {FAILURES}");

        outside.set_dead("v1-1", false).await?;
        let back = Instant::now();
        eventually(SOON, async || {
            let (lost, pods) = send(&request, proxy, 6).await?;
            ensure!(lost == 0 && pods.len() == 3, "{lost} lost, {pods:?}");
            Ok(())
        })
        .await?;
        figures::tell(
            "dead-replica",
            &format!(
                "without retries {lost} of {sent} requests lost until it was ejected after {took:.0?}; \
                 it took requests again {:.1?} after it had come back",
                back.elapsed()
            ),
        )
    });
}

/// What cannot be reached is counted apart from what answers with errors: the one is ejected, the other is not.
#[test]
fn failures_to_connect_are_counted_apart() {
    run(async |traffic| {
        let policy = "{loadBalancer: {simple: ROUND_ROBIN}, outlierDetection: {splitExternalLocalOriginErrors: true, \
                      consecutiveLocalOriginFailures: 3, consecutive5xxErrors: 0, interval: 1s, baseEjectionTime: 3m, \
                      maxEjectionPercent: 100}}";
        let (mut outside, request) = service(traffic, "apart", 3, policy, "retries: {attempts: 0}, ").await?;
        let proxy = traffic.proxy(CLIENT)?;
        outside.set_failing("v1-2", true)?;
        let (lost, _) = send(&request, proxy, REQUESTS).await?;
        ensure!(lost == REQUESTS / 3, "{lost} of {REQUESTS} answered with an error instead of a third");
        outside.set_failing("v1-2", false)?;
        outside.set_dead("v1-1", true).await?;
        let (lost, pods) = send(&request, proxy, REQUESTS).await?;
        ensure!(lost == FAILURES && pods.len() == 2, "{lost} lost, {pods:?}");
        ensure!(ejected(traffic, "outbound|80||apart.test").await? == 1);
        Ok(())
    });
}

#[test]
fn retries_hide_a_dead_replica() {
    run(async |traffic| {
        // Nothing is said about retries: two, by default, when nobody answers.
        let (mut outside, request) = service(traffic, "hidden-dead", 3, POLICY, "").await?;
        let proxy = traffic.proxy(CLIENT)?;
        let (lost, _) = send(&request, proxy, REQUESTS).await?;
        ensure!(lost == 0, "{lost} lost while all lived");
        outside.set_dead("v1-1", true).await?;
        let (lost, pods) = send(&request, proxy, 2 * REQUESTS).await?;
        ensure!(lost == 0 && pods.len() == 2, "{lost} lost, {pods:?}");
        let retries =
            traffic.stat(CLIENT, "cluster.outbound|80||hidden-dead.test;.upstream_rq_retry").await?;
        ensure!(retries >= FAILURES as u64, "{retries} retries: were any requests sent there?");
        let sent = 2 * REQUESTS;
        figures::tell("hidden-by-retries", &format!("none of {sent} requests lost, {retries} tried again"))
    });
}

#[test]
fn too_few_healthy_replicas_are_not_trusted() {
    run(async |traffic| {
        // Below the panic threshold ejected endpoints get requests as the others do.
        for (name, min_health, trusted) in [("no-panic", 0, true), ("panic", 70, false)] {
            let policy = POLICY.replace(
                "baseEjectionTime: 2s",
                &format!("baseEjectionTime: 3m, minHealthPercent: {min_health}"),
            );
            let (outside, request) = service(traffic, name, 4, &policy, "retries: {attempts: 0}, ").await?;
            for pod in ["v1-1", "v1-2"] {
                outside.set_failing(pod, true)?;
            }
            let proxy = traffic.proxy(CLIENT)?;
            let cluster = format!("outbound|80||{name}.test");
            eventually(SOON, async || {
                send(&request, proxy, 8).await?;
                let ejected = ejected(traffic, &cluster).await?;
                ensure!(ejected == 2, "{ejected} ejected");
                Ok(())
            })
            .await?;
            // Half of the requests, or none. (With one ejected it would be a third: balancers hear of the second ejection within a
            // second only at the end of that, by Envoy's `update_merge_window`.)
            let expected = if trusted { 0..=0 } else { REQUESTS * 9 / 20..=REQUESTS * 11 / 20 };
            let lost = eventually(SOON, async || {
                let (lost, _) = send(&request, proxy, REQUESTS).await?;
                ensure!(
                    expected.contains(&lost),
                    "{name}: {lost} of {REQUESTS} failed, expected {expected:?}"
                );
                Ok(lost)
            })
            .await?;
            figures::tell(
                name,
                &format!(
                    "half of 4 replicas ejected, minHealthPercent {min_health}: {lost} of {REQUESTS} requests failed"
                ),
            )?;
        }
        Ok(())
    });
}

#[test]
fn nobody_panics_towards_pods_that_are_not_ready() {
    run(async |traffic| {
        // Two of three are not ready, which is more than the threshold lets pass; they would answer.
        let outside = Outside::start("unready", &BTreeMap::from([("v1".to_owned(), 3)])).await?;
        let addresses = outside.addresses();
        let endpoints: String = [true, false, false]
            .into_iter()
            .zip(&addresses)
            .map(|(ready, address)| {
                format!("  - {{addresses: ['{address}'], conditions: {{ready: {ready}}}}}\n")
            })
            .collect();
        let yaml = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: unready, namespace: traffic}}\n\
             spec: {{ports: [{{name: http, port: 80, targetPort: {HTTP_PORT}}}]}}\n---\n\
             apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
             metadata: {{name: unready-1, namespace: traffic, labels: {{kubernetes.io/service-name: unready}}}}\n\
             addressType: IPv4\nports: [{{name: http, port: {HTTP_PORT}}}]\nendpoints:\n{endpoints}---\n\
             apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: unready, namespace: traffic}}\n\
             spec: {{host: unready, trafficPolicy: {{outlierDetection: {{minHealthPercent: 70}}}}}}\n"
        );
        traffic.apply("unready.yaml", &yaml).await?;
        let request = Request::get("http://unready.traffic/")?;
        let (lost, pods) = send(&request, traffic.proxy(CLIENT)?, REQUESTS).await?;
        ensure!(lost == 0 && pods.iter().eq(["v1-0"]), "{lost} lost, {pods:?}");
        Ok(())
    });
}

#[test]
fn a_replica_that_is_labelled_so_gets_nothing_more() {
    run(async |traffic| {
        let outside = Outside::start("drained", &BTreeMap::from([("v1".to_owned(), 2)])).await?;
        let entry = outside.service_entry("drained", "drained.test");
        let [_, leaving] = outside.addresses()[..] else { anyhow::bail!("two replicas") };
        let leaves = format!("{leaving}, labels: {{istio.io/draining: 'true', ");
        let labelled = entry.replace(&format!("{leaving}, labels: {{"), &leaves);
        ensure!(labelled != entry, "{entry}");
        let request = Request::get("http://drained.test/")?;
        for (yaml, expected) in
            [(&entry, &["v1-0", "v1-1"][..]), (&labelled, &["v1-0"]), (&entry, &["v1-0", "v1-1"])]
        {
            traffic.apply("drained.yaml", yaml).await?;
            let (lost, pods) = send(&request, traffic.proxy(CLIENT)?, REQUESTS).await?;
            ensure!(lost == 0 && pods.iter().eq(expected), "{lost} lost, {pods:?}");
        }
        Ok(())
    });
}
