//! What came of the requests of a load, and whether they were as many as the test says.
//!
//! In: when each was sent, and what it got. Out: counts, and the rate: a test of "500 requests a second" that sends fewer shows less than it
//! claims.

use super::Failure;
use anyhow::{Result, ensure};
use std::{collections::BTreeMap, time::Duration};
use tokio::{task::JoinError, time::Instant};

/// So many failures are shown; a thousand tell no more.
const SHOWN: usize = 10;
/// Of the rate that was asked for, in percent. What is sent late is sent all the same, so less means that it can't be sent at all.
const LEAST: f64 = 95.0;

/// What came of all requests.
#[derive(Debug)]
pub struct Outcome {
    /// How many a second were asked for.
    asked: u32,
    /// How many were sent.
    pub(super) sent: usize,
    /// When the first was, and when the last.
    between: Option<(Instant, Instant)>,
    /// For how long none was, at most.
    pause: Duration,
    /// How many were answered 200.
    pub ok: usize,
    /// How many were not.
    pub failed: usize,
    /// How many of those there were by what the test was doing when they were sent, and by status, or `none`.
    pub failed_while: BTreeMap<(String, String), usize>,
    /// The first of those.
    pub failures: Vec<String>,
    /// Answers by version.
    pub versions: BTreeMap<String, usize>,
}

impl Outcome {
    pub(super) fn new(asked: u32) -> Self {
        Self {
            asked,
            sent: 0,
            between: None,
            pause: Duration::ZERO,
            ok: 0,
            failed: 0,
            failed_while: BTreeMap::new(),
            failures: Vec::new(),
            versions: BTreeMap::new(),
        }
    }

    pub(super) fn count_sent(&mut self, now: Instant) {
        let (first, last) = self.between.unwrap_or((now, now));
        self.pause = self.pause.max(now - last);
        self.between = Some((first, now));
        self.sent += 1;
    }

    pub(super) fn add(&mut self, answer: Result<Result<String, Failure>, JoinError>) {
        let Failure { meanwhile, status, text } = match answer {
            Ok(Ok(version)) => {
                self.ok += 1;
                *self.versions.entry(version).or_default() += 1;
                return;
            }
            Ok(Err(failure)) => failure,
            Err(error) => Failure { meanwhile: String::new(), status: None, text: error.to_string() },
        };
        self.failed += 1;
        let status = status.map_or("none".to_owned(), |status| status.as_u16().to_string());
        *self.failed_while.entry((meanwhile, status)).or_default() += 1;
        if self.failures.len() < SHOWN {
            self.failures.push(text);
        }
    }

    /// How many requests there were, how many a second, and for how long none was sent at most: for people.
    ///
    /// # Errors
    /// When they were fewer a second than asked for, or one got neither an answer nor an error.
    pub fn rate(&self) -> Result<String> {
        let Self { asked, sent, between, pause, ok, failed, .. } = self;
        ensure!(ok + failed == *sent, "{sent} sent, but {ok} answered and {failed} failed");
        let took = between.map_or(Duration::ZERO, |(first, last)| last - first);
        let seconds = took.as_secs_f64();
        // The first was sent at the beginning of that time.
        let rate = f64::from(u32::try_from(*sent)?.saturating_sub(1)) / seconds;
        let told = format!("{sent} requests in {took:.1?}: {rate:.0} a second, none for {pause:.0?} at most");
        // Where there was no time at all it is not a number, and not enough.
        ensure!(
            rate >= f64::from(*asked) * LEAST / 100.0,
            "{told}, and not {asked} a second: something is too slow for this test, or the machine is"
        );
        Ok(told)
    }
}
