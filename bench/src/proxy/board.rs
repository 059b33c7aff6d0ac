//! What the whole fleet tells its observer.
//!
//! In: notes of proxies, as things happen. Out: counts, and the moments at which the last proxy of a group had what was waited
//! for. Waiting is by notification, never by polling. Knows no protocol.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tokio::sync::Notify;

use super::catalog::{Kind, NameId};

/// The notes of a fleet.
#[derive(Debug, Default)]
pub struct Board {
    /// Bytes of the responses that arrived, by kind.
    pub bytes: [Cell<u64>; Kind::ALL.len()],
    /// Responses that arrived.
    pub responses: Cell<u64>,
    /// Resources that arrived.
    pub resources: Cell<u64>,
    /// Resources that arrived although the proxy had that very version.
    pub repeated: Cell<u64>,
    /// Proxies that have their clusters.
    pub with_clusters: Cell<usize>,
    /// Proxies that have everything.
    pub configured: Cell<usize>,
    /// When the newest of these was counted.
    pub configured_at: Cell<Option<Instant>>,
    watched: RefCell<Option<Watched>>,
    failure: RefCell<Option<String>>,
    changed: Notify,
}

/// Something that each proxy is to get.
#[derive(Debug)]
pub struct Watched {
    /// Its kind.
    pub kind: Kind,
    /// Its names, indexed by number; any one of them counts.
    pub names: Vec<bool>,
    /// Distinguishes it from what was watched before.
    pub generation: u64,
    /// Proxies that lack it.
    pub missing: usize,
    /// When it reached the first, each and the last.
    pub arrivals: Vec<Instant>,
}

/// When something reached the proxies, counted from the edit.
#[derive(Clone, Copy, Debug)]
pub struct Delivery {
    /// The first of them.
    pub first: Duration,
    /// Half of them.
    pub median: Duration,
    /// The last one.
    pub last: Duration,
}

impl Board {
    /// Bytes of all responses that arrived.
    pub fn bytes(&self) -> u64 {
        self.bytes.iter().map(Cell::get).sum()
    }

    /// Adds to a counter.
    pub fn add(counter: &Cell<u64>, amount: u64) {
        counter.set(counter.get() + amount);
    }

    /// A proxy has its clusters.
    pub fn has_clusters(&self) {
        self.with_clusters.set(self.with_clusters.get() + 1);
        self.changed.notify_waiters();
    }

    /// A proxy has everything.
    pub fn is_configured(&self) {
        self.configured.set(self.configured.get() + 1);
        self.configured_at.set(Some(Instant::now()));
        self.changed.notify_waiters();
    }

    /// A proxy cannot go on; nor can the measurement.
    pub fn failed(&self, what: String) {
        self.failure.borrow_mut().get_or_insert(what);
        self.changed.notify_waiters();
    }

    /// A resource arrived at a proxy that last saw `seen` of what is watched.
    pub fn arrived(&self, kind: Kind, name: NameId, seen: &mut u64) {
        let mut watched = self.watched.borrow_mut();
        let Some(watched) = watched.as_mut().filter(|watched| watched.kind == kind) else { return };
        let Watched { kind: _, names, generation, missing, arrivals } = watched;
        if *seen == *generation || !names.get(name as usize).copied().unwrap_or_default() {
            return;
        }
        *seen = *generation;
        *missing = missing.saturating_sub(1);
        arrivals.push(Instant::now());
        if *missing == 0 {
            self.changed.notify_waiters();
        }
    }

    /// Starts to watch.
    pub fn watch(&self, watched: Watched) {
        *self.watched.borrow_mut() = Some(watched);
    }

    /// Waits until every proxy has what is watched.
    pub async fn delivered(&self, edited: Instant) -> Result<Delivery> {
        self.until("every proxy has the change", |board| {
            board.watched.borrow().as_ref().is_some_and(|watched| watched.missing == 0)
        })
        .await?;
        let watched = self.watched.borrow_mut().take();
        let arrivals: Vec<_> = watched.map(|watched| watched.arrivals).unwrap_or_default();
        let ([first, .., last], Some(median)) = (&*arrivals, arrivals.get(arrivals.len() / 2)) else {
            bail!("fewer than two proxies were waited for");
        };
        let [first, median, last] = [first, median, last].map(|at| at.saturating_duration_since(edited));
        Ok(Delivery { first, median, last })
    }

    /// Waits until a condition holds, which is looked at whenever something happens.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Result<()> {
        let wait = async {
            loop {
                let changed = self.changed.notified();
                if let Some(failure) = &*self.failure.borrow() {
                    bail!("a proxy failed: {failure}");
                }
                if holds(self) {
                    return Ok(());
                }
                changed.await;
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(outcome) => outcome,
            Err(_) => bail!("waited {PATIENCE:?} for: {what}; {}", self.summary()),
        }
    }

    fn summary(&self) -> String {
        let missing = self.watched.borrow().as_ref().map(|watched| watched.missing);
        format!(
            "{} proxies have clusters, {} have everything, {missing:?} lack what is watched, {} responses so far",
            self.with_clusters.get(),
            self.configured.get(),
            self.responses.get()
        )
    }
}

/// Nothing that is measured takes this long, unless it never comes.
const PATIENCE: Duration = Duration::from_secs(60);
