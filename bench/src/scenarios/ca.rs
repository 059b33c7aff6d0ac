//! The certificate authority: a storm of callers with tokens from cold, what it signs in the long run, and how long a renewal takes.
//!
//! Against a real API server, which reviews the tokens on the same cores: nothing here is pinned.

mod callers;

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use mesh_testkit::ApiServer;

use self::callers::{Caller, Callers};
use super::{Options, rest};
use crate::machine::{own_cpu, unpin};
use crate::measure::Samples;
use crate::report::{Bar, Findings, Row, Unit};
use crate::server::{Server, Steps};

/// Callers that are at it at the same time.
const AT_ONCE: usize = 256;
/// Requests of each in the storm.
const EACH: usize = 5;

pub(super) async fn run(options: &Options, rows: &mut Vec<Row>) -> Result<()> {
    unpin()?;
    // It has said why not.
    let Some(api) = ApiServer::shared().await else { return Ok(()) };
    let callers = if options.quick { 200 } else { 2_000 };
    let namespace = api.fresh_namespace("ca").await?;
    let directory = tempfile::tempdir()?;
    let log = directory.path().join("authority.log");
    let server = Server::start_authority(&options.program, api.kubeconfig_path(), &namespace, &log)?;
    let ready = tokio::time::timeout(Duration::from_secs(60), server.ready()).await;
    ready.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
    let callers = Callers::make(api, &namespace, server.xds, callers).await?;
    let mut findings = Findings::of("ca", rows);

    let requests = (callers.all.len() * EACH) as f64;
    let steps = server.steps()?;
    let (since, cpu, own) = (Instant::now(), server.cpu()?, own_cpu()?);
    let times = storm(&callers).await?;
    let (wall, cpu, own) = (since.elapsed(), server.cpu()? - cpu, own_cpu()? - own);
    findings.time(
        "storm from cold, every caller with a token and a connection of its own: wall",
        wall,
        Duration::from_secs(10),
    );
    findings.note("  requests", requests, Unit::Count, None);
    findings.time("  one request: median", times.median(), None);
    findings.time("  one request: 99th percentile", times.percentile(99), None);
    findings.time("  processor time of the authority for one", cpu.div_f64(requests), None);
    findings.time("  processor time of the callers for one", own.div_f64(requests), None);
    by_step(&mut findings, &server, &steps)?;

    rest().await;
    let lasting = Duration::from_secs(if options.quick { 1 } else { 4 });
    let renewing = enrolled(&callers).await?;
    let steps = server.steps()?;
    let (since, cpu, own) = (Instant::now(), server.cpu()?, own_cpu()?);
    let signed = sustained(&renewing, lasting).await? as f64;
    let (wall, cpu, own) = (since.elapsed(), server.cpu()? - cpu, own_cpu()? - own);
    findings.note(
        "renewals a second over mTLS, both cores shared with the callers",
        signed / wall.as_secs_f64(),
        Unit::Count,
        None,
    );
    findings.note(
        "  for each processor second of the authority",
        signed / cpu.as_secs_f64(),
        Unit::Count,
        Bar::AtLeast(5_000.0),
    );
    findings.time("  processor time of the callers for one", own.div_f64(signed), None);
    by_step(&mut findings, &server, &steps)?;

    rest().await;
    let mut times = Samples::default();
    let mut with_connection = Samples::default();
    for caller in renewing.iter().take(options.repeat(200)) {
        let since = Instant::now();
        let mut connected = caller.connect().await?;
        let connected_at = Instant::now();
        connected.ask().await?;
        times.add(connected_at.elapsed());
        with_connection.add(since.elapsed());
    }
    findings.time("one renewal over mTLS: 99th percentile", times.percentile(99), Duration::from_millis(5));
    findings.time("  with a new connection: 99th percentile", with_connection.percentile(99), None);
    Ok(())
}

/// Every caller connects and asks a few times.
async fn storm(callers: &Callers) -> Result<Samples> {
    let all = stream::iter(&callers.all).map(|caller| async move {
        let mut connected = caller.connect().await?;
        let mut times = Vec::with_capacity(EACH);
        for _ in 0..EACH {
            let since = Instant::now();
            connected.ask().await?;
            times.push(since.elapsed());
        }
        anyhow::Ok(times)
    });
    let mut all = all.buffer_unordered(AT_ONCE);
    let mut collected = Samples::default();
    while let Some(times) = all.try_next().await? {
        times.into_iter().for_each(|time| collected.add(time));
    }
    Ok(collected)
}

/// How long each step of a request took since `earlier`.
fn by_step(findings: &mut Findings<'_>, server: &Server, earlier: &Steps) -> Result<()> {
    for (step, mean) in server.steps()?.means_since(earlier) {
        findings.time(format!("    step {step}: mean time"), mean, None);
    }
    Ok(())
}

/// All callers, who prove themselves by certificate from now on.
async fn enrolled(callers: &Callers) -> Result<Vec<Caller>> {
    stream::iter(&callers.all).map(Caller::enrol).buffer_unordered(16).try_collect().await
}

/// How many certificates all of them together get in a time. Each has a connection, and [`AT_ONCE`] of them ask at a time, in turn: a
/// workload renews seldom, and one that asks more often than the authority allows is refused.
async fn sustained(callers: &[Caller], lasting: Duration) -> Result<usize> {
    let connected = stream::iter(callers).map(Caller::connect).buffer_unordered(16);
    let mut connected: Vec<_> = connected.try_collect().await?;
    let turns = connected.len().div_ceil(AT_ONCE).max(1);
    let end = Instant::now() + lasting;
    let counts = connected.chunks_mut(turns).map(async |group| {
        let mut count = 0;
        while Instant::now() < end {
            for caller in &mut *group {
                caller.ask().await?;
                count += 1;
            }
        }
        anyhow::Ok(count)
    });
    Ok(futures::future::try_join_all(counts).await?.into_iter().sum())
}
