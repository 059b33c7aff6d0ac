//! Counters of the xDS server. Plain atomics: whoever owns a metrics registry reads them and gives them names.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::resource::{ResourceType, TYPES};

/// Upper bounds of the convergence histogram, in seconds.
pub const CONVERGENCE_BUCKETS: [f64; 12] =
    [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0];

/// What the server counts.
#[derive(Debug, Default)]
pub struct Metrics {
    pushes: [AtomicU64; TYPES],
    bytes: [AtomicU64; TYPES],
    rejects: [AtomicU64; TYPES],
    connected: AtomicU64,
    stale: AtomicU64,
    refused_streams: AtomicU64,
    waits_given_up: AtomicU64,
    convergence: [AtomicU64; CONVERGENCE_BUCKETS.len() + 1],
    convergence_micros: AtomicU64,
}

/// Time from a change to its acknowledgement by a proxy, over all proxies.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Convergence {
    /// Observations at or below each of [`CONVERGENCE_BUCKETS`], then those above. Not cumulative.
    pub buckets: Vec<u64>,
    /// Sum of all observations in seconds.
    pub sum: f64,
}

impl Metrics {
    /// Responses sent of a type.
    pub fn pushes(&self, kind: ResourceType) -> u64 {
        self.pushes[kind.index()].load(Ordering::Relaxed)
    }

    /// Bytes of resources sent of a type.
    pub fn bytes(&self, kind: ResourceType) -> u64 {
        self.bytes[kind.index()].load(Ordering::Relaxed)
    }

    /// Responses rejected by proxies, of a type.
    pub fn rejects(&self, kind: ResourceType) -> u64 {
        self.rejects[kind.index()].load(Ordering::Relaxed)
    }

    /// Streams open now.
    pub fn connected(&self) -> u64 {
        self.connected.load(Ordering::Relaxed)
    }

    /// Requests that answered a response no longer in flight.
    pub fn stale(&self) -> u64 {
        self.stale.load(Ordering::Relaxed)
    }

    /// Streams turned away.
    pub fn refused_streams(&self) -> u64 {
        self.refused_streams.load(Ordering::Relaxed)
    }

    /// Times routes were sent although a client had not asked for the endpoints of a new cluster.
    pub fn waits_given_up(&self) -> u64 {
        self.waits_given_up.load(Ordering::Relaxed)
    }

    /// Convergence so far.
    pub fn convergence(&self) -> Convergence {
        let buckets = self.convergence.iter().map(|bucket| bucket.load(Ordering::Relaxed)).collect();
        let sum = self.convergence_micros.load(Ordering::Relaxed) as f64 / 1e6;
        Convergence { buckets, sum }
    }

    pub(crate) fn pushed(&self, kind: ResourceType, bytes: usize) {
        self.pushes[kind.index()].fetch_add(1, Ordering::Relaxed);
        self.bytes[kind.index()].fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(crate) fn rejected(&self, kind: ResourceType) {
        self.rejects[kind.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_opened(&self) {
        self.connected.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_closed(&self) {
        self.connected.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn stale_request(&self) {
        self.stale.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_refused(&self) {
        self.refused_streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gave_up_waiting(&self) {
        self.waits_given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn converged(&self, after: Duration) {
        let seconds = after.as_secs_f64();
        let bucket = CONVERGENCE_BUCKETS.partition_point(|bound| *bound < seconds);
        self.convergence[bucket].fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
        self.convergence_micros.fetch_add(micros, Ordering::Relaxed);
    }
}
