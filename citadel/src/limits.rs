//! How much callers may ask for.
//!
//! In: each request. Out: leave to sign, or none. Two bounds: requests at work at once, over all callers, so that a storm costs waiting and
//! not memory; and a rate for each caller, so that one that loops does not take the others' turn.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use mesh_pki::SpiffeId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::caller::Caller;

/// Settings.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests at work at once.
    pub at_once: usize,
    /// Requests that may wait for their turn; more are turned away.
    pub waiting: usize,
    /// How long one may wait for its turn.
    pub patience: Duration,
    /// Requests a second of one caller, in the long run.
    pub rate: f64,
    /// Requests of one caller at a time.
    pub burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { at_once: 64, waiting: 10_000, patience: Duration::from_secs(10), rate: 10.0, burst: 100.0 }
    }
}

/// Why a request gets no turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are too many of all.
    #[error("too many certificate requests at once: try again later")]
    Crowded,
    /// There are too many of this caller.
    #[error("too many certificate requests of this caller: try again later")]
    TooFast,
}

/// Whom a rate is for: a pod if it is known, else a service account at an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Pod(String),
    Account(SpiffeId, Option<IpAddr>),
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Grants turns. Cheap to clone.
#[derive(Clone)]
pub struct Turns {
    limits: Limits,
    working: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    buckets: Arc<Mutex<HashMap<Key, Bucket>>>,
}

/// A turn; others get theirs when it is dropped.
pub struct Turn {
    _working: OwnedSemaphorePermit,
}

/// Callers whose rate is remembered. A full table is cleared of those who could start afresh anyway.
const CALLERS: usize = 50_000;

impl Turns {
    /// By `limits`.
    pub fn new(limits: Limits) -> Self {
        let (working, queue) = (Semaphore::new(limits.at_once), Semaphore::new(limits.waiting));
        Self { limits, working: Arc::new(working), queue: Arc::new(queue), buckets: Arc::default() }
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// When too many wait already, or the turn does not come in time.
    pub async fn wait(&self) -> Result<Turn, Refused> {
        let _queued = self.queue.clone().try_acquire_owned().map_err(|_| Refused::Crowded)?;
        let turn = tokio::time::timeout(self.limits.patience, self.working.clone().acquire_owned());
        match turn.await {
            Ok(Ok(permit)) => Ok(Turn { _working: permit }),
            Ok(Err(_)) | Err(_) => Err(Refused::Crowded),
        }
    }

    /// Counts a request of `caller`.
    ///
    /// # Errors
    /// When it comes too often.
    pub fn count(&self, caller: &Caller, address: Option<IpAddr>, now: Instant) -> Result<(), Refused> {
        let Limits { rate, burst, .. } = self.limits;
        let key = match caller.pod() {
            Some(pod) => Key::Pod(pod.uid.clone()),
            None => Key::Account(caller.identity.clone(), address),
        };
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let refilled = |bucket: &Bucket| {
            (bucket.tokens + now.saturating_duration_since(bucket.at).as_secs_f64() * rate).min(burst)
        };
        if buckets.len() >= CALLERS {
            buckets.retain(|_, bucket| refilled(bucket) < burst);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: burst, at: now });
        let tokens = refilled(bucket);
        *bucket = Bucket { tokens, at: now };
        if tokens < 1.0 {
            return Err(Refused::TooFast);
        }
        bucket.tokens -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::caller::Proof;

    fn caller(account: &str) -> Caller {
        Caller { identity: SpiffeId::new("d", "n", account).unwrap(), proof: Proof::Oidc }
    }

    #[test]
    fn a_caller_that_loops_is_slowed_down_and_others_are_not() {
        let turns = Turns::new(Limits { rate: 1.0, burst: 2.0, ..Limits::default() });
        let start = Instant::now();
        let ask = |account: &str, after: u64| {
            turns.count(&caller(account), None, start + Duration::from_secs(after))
        };
        assert_eq!([ask("a", 0), ask("a", 0), ask("a", 0)], [Ok(()), Ok(()), Err(Refused::TooFast)]);
        assert_eq!(ask("b", 0), Ok(()));
        assert_eq!([ask("a", 1), ask("a", 1)], [Ok(()), Err(Refused::TooFast)]);
        assert_eq!([ask("a", 99), ask("a", 99), ask("a", 99)], [Ok(()), Ok(()), Err(Refused::TooFast)]);
    }

    #[tokio::test]
    async fn turns_are_given_one_after_another_and_a_crowd_is_turned_away() {
        let limits =
            Limits { at_once: 1, waiting: 1, patience: Duration::from_secs(60), ..Limits::default() };
        let turns = Turns::new(limits);
        let first = turns.wait().await.ok().unwrap();
        let second = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait().await.is_ok() }
        });
        while turns.queue.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(turns.wait().await.err(), Some(Refused::Crowded));
        drop(first);
        assert!(second.await.unwrap());
    }
}
