//! Why proxies were told something, counted as Istio does: by proxies that were, for each object that made them be.

use pilot_ingest::events::{Cause, Causes};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counters by cause.
#[derive(Debug, Default)]
pub struct Triggers {
    causes: [AtomicU64; Cause::ALL.len()],
}

impl Triggers {
    /// Times that some proxy was told something for this cause.
    pub fn of(&self, cause: Cause) -> u64 {
        self.causes[cause as usize].load(Ordering::Relaxed)
    }

    /// Notes that so many proxies were told of what these made.
    pub fn told(&self, causes: &Causes, proxies: u64) {
        for cause in Cause::ALL {
            self.causes[cause as usize].fetch_add(causes.of(cause) * proxies, Ordering::Relaxed);
        }
    }
}
