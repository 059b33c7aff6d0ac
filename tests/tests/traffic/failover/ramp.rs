//! Slow start: a new replica gets its share little by little.

use super::{rules, without};
use crate::{CLIENT, figures, run};
use anyhow::{Context, ensure};
use mesh_tests::traffic::{Load, Outside};
use std::{collections::BTreeMap, time::Duration, time::Instant};

/// How long a replica is new; so does the policy say.
const WARMUP: Duration = Duration::from_secs(6);
/// Requests a second.
const RATE: u32 = 300;
/// How many tell a share: one in three of 300 is off by more than 40 once in a million times.
const SAMPLE: usize = 300;

#[test]
fn a_new_replica_gets_its_share_little_by_little() {
    comes("slow-start", "warmup: {duration: 6s, minimumPercent: 10, aggression: 1}", true);
}

#[test]
fn a_new_replica_gets_its_share_by_the_older_name() {
    comes("slow-start-by-its-older-name", "warmupDurationSecs: 6s", true);
}

#[test]
fn a_new_replica_may_have_its_share_from_the_beginning() {
    comes("begins-with-all", "warmup: {duration: 6s, minimumPercent: 100}", false);
}

/// A tenth of the time gives a tenth of the share, or with this much four fifths.
#[test]
fn a_new_replica_may_get_its_share_sooner() {
    comes("begins-soon", "warmup: {duration: 6s, aggression: 10}", false);
}

/// With a balancer of which this holds besides a new replica has its share in the end, and at first far less, or hardly.
fn comes(name: &str, balancer: &str, slowly: bool) {
    run(async |traffic| {
        // Two that are old, and one that is to come.
        let versions = BTreeMap::from([("new".to_owned(), 1), ("old".to_owned(), 2)]);
        let outside = Outside::start(name, &versions).await?;
        let policy = format!("{{loadBalancer: {{simple: ROUND_ROBIN, {balancer}}}}}");
        let all = outside.service_entry(name, &format!("{name}.test")) + &rules(name, &policy, "");
        let (file, url) = (format!("{name}.yaml"), format!("http://{name}.test/"));
        let new = outside.addresses().first().context("an address")?.to_string();
        traffic.apply(&file, &without(&all, &new)).await?;
        let proxy = traffic.proxy(CLIENT)?;
        // The old ones were new, too.
        let (old, started) = (Load::start(proxy, &url, RATE)?, Instant::now());
        while started.elapsed() < WARMUP {
            old.more(RATE as usize / 10).await;
        }
        let outcome = old.stop().await?;
        ensure!(outcome.failed == 0, "{outcome:#?}");

        traffic.apply(&file, &all).await?;
        let added = Instant::now();
        let mut shares = Vec::new();
        loop {
            let at = added.elapsed();
            let load = Load::start(proxy, &url, RATE)?;
            load.more(SAMPLE).await;
            let outcome = load.stop().await?;
            ensure!(outcome.failed == 0, "{outcome:#?}");
            let new = outcome.versions.get("new").copied().unwrap_or_default();
            shares.push((at, 100 * new / outcome.ok));
            if at > WARMUP {
                break;
            }
        }
        let shown: Vec<String> =
            shares.iter().map(|(at, share)| format!("{:.1} s: {share}%", at.as_secs_f32())).collect();
        let shown = shown.join(", ");
        figures::tell(name, &format!("share of the third replica, new for {WARMUP:?}: {shown}"))?;
        let (Some((began, first)), Some((_, last))) = (shares.first(), shares.last()) else {
            anyhow::bail!("no share")
        };
        ensure!((25..=42).contains(last), "not a third in the end: {shown}");
        // A machine that stood still for seconds has missed the beginning, and shows nothing.
        ensure!(
            (*first <= 22) == slowly || began.as_secs() >= 2 || added.elapsed() > 4 * WARMUP,
            "too much at once, or too little: {shown}"
        );
        Ok(())
    });
}
