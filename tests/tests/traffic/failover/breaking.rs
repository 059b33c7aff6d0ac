//! Circuit breakers: what is too much is turned away at once, says so, and is counted.

use super::service;
use crate::{CLIENT, figures, run};
use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use mesh_tests::traffic::{Answer, Request};
use std::net::SocketAddr;

/// Requests that come together.
const TOGETHER: usize = 12;

async fn together(request: &Request, proxy: SocketAddr) -> Result<Vec<Answer>> {
    stream::iter(0..TOGETHER).map(|_| request.send(proxy)).buffer_unordered(TOGETHER).try_collect().await
}

#[test]
fn what_overflows_the_pool_is_turned_away_and_counted() {
    run(async |traffic| {
        let policy = "{connectionPool: {tcp: {maxConnections: 1}, http: {http1MaxPendingRequests: 2}}}";
        let (_outside, _) = service(traffic, "overflow", 1, policy, "retries: {attempts: 0}, ").await?;
        let request = Request::get("http://overflow.test/?delay=1s")?;
        let answers = together(&request, traffic.proxy(CLIENT)?).await?;
        let turned_away: Vec<_> = answers.iter().filter(|answer| answer.status == 503).collect();
        // Two wait, for the connection to be made or for the one under way; on a slow machine some come when that has ended.
        ensure!((1..=TOGETHER - 2).contains(&turned_away.len()), "{} turned away", turned_away.len());
        for answer in &turned_away {
            let body = String::from_utf8_lossy(&answer.body);
            ensure!(
                answer.header("x-envoy-overloaded") == Some("true") && body.contains("overflow"),
                "{}",
                answer.summary()
            );
        }
        let stat = "cluster.outbound|80||overflow.test;.upstream_rq_pending_overflow";
        let counted = traffic.stat(CLIENT, stat).await?;
        ensure!(counted == turned_away.len() as u64, "{counted} counted, {} turned away", turned_away.len());
        figures::tell(
            "pool-overflow",
            &format!("{counted} of {TOGETHER} requests at once turned away by a pool for 1 + 2"),
        )
    });
}

#[test]
fn retries_are_broken_off_when_there_are_too_many() {
    run(async |traffic| {
        let mut attempts = Vec::new();
        for (name, limit) in [("retries-limited", "maxRetries: 1"), ("retries-free", "maxRetries: 1000")] {
            let policy = format!("{{connectionPool: {{http: {{{limit}}}}}}}");
            let retries = "retries: {attempts: 3, retryOn: 5xx}, ";
            let (outside, request) = service(traffic, name, 2, &policy, retries).await?;
            for pod in ["v1-0", "v1-1"] {
                outside.set_failing(pod, true)?;
            }
            let answers = together(&request, traffic.proxy(CLIENT)?).await?;
            ensure!(answers.iter().all(|answer| answer.status == 503), "somebody answered");
            attempts.push(outside.requests() as usize);
        }
        let [limited, free] = attempts[..] else { anyhow::bail!("two runs") };
        ensure!(free == 4 * TOGETHER, "{free} attempts for {TOGETHER} requests with three retries each");
        // How many depends on how much they come together: only that most of them had no place is sure.
        ensure!((TOGETHER..3 * TOGETHER).contains(&limited), "{limited} attempts with one retry at a time");
        figures::tell(
            "retries-limited",
            &format!(
                "{TOGETHER} failing requests at once: {limited} attempts with maxRetries 1, {free} with 1000"
            ),
        )
    });
}
