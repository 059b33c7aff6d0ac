//! Counters of the xDS server. Plain atomics: whoever owns a metrics registry reads them and gives them names.

mod histogram;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::resource::{ResourceType, TYPES};
use histogram::Histogram;
pub use histogram::Observed;

/// Upper bounds of the time from a change to its acknowledgement, in seconds: Istio's, and finer ones below.
const CONVERGENCE: &[f64] =
    &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];
/// Of what it takes to push and to send, in seconds. These and the ones below are Istio's.
const PUSH: &[f64] = &[0.01, 0.1, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];
/// Of how long a stream does not get to a change, in seconds.
const QUEUE: &[f64] = &[0.1, 0.5, 1.0, 3.0, 5.0, 10.0, 20.0, 30.0];
/// Of the resources in a response, in bytes.
const SIZE: &[f64] = &[1.0, 1e4, 1e6, 4e6, 1e7, 4e7];

/// What the server counts.
#[derive(Debug)]
pub struct Metrics {
    sizes: [Histogram; TYPES],
    push_times: [Histogram; TYPES],
    send_time: Histogram,
    queue_time: Histogram,
    convergence: Histogram,
    rejects: [AtomicU64; TYPES],
    stale: [AtomicU64; TYPES],
    connected: AtomicU64,
    refused_streams: AtomicU64,
    waits_given_up: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        let by_type = |bounds| std::array::from_fn(|_| Histogram::new(bounds));
        Self {
            sizes: by_type(SIZE),
            push_times: by_type(PUSH),
            send_time: Histogram::new(PUSH),
            queue_time: Histogram::new(QUEUE),
            convergence: Histogram::new(CONVERGENCE),
            rejects: Default::default(),
            stale: Default::default(),
            connected: AtomicU64::default(),
            refused_streams: AtomicU64::default(),
            waits_given_up: AtomicU64::default(),
        }
    }
}

/// When work on a response began, and when it was made: what remains is to write it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) begun: Instant,
    pub(crate) made: Instant,
}

impl Metrics {
    /// Responses sent of a type.
    pub fn pushes(&self, kind: ResourceType) -> u64 {
        self.sizes[kind.index()].count()
    }

    /// Bytes of resources sent of a type.
    pub fn bytes(&self, kind: ResourceType) -> u64 {
        self.sizes[kind.index()].total()
    }

    /// Bytes of resources in a response of a type.
    pub fn sizes(&self, kind: ResourceType) -> Observed {
        self.sizes[kind.index()].sizes()
    }

    /// Seconds that it takes to make a response of a type and to hand it to the connection.
    pub fn push_times(&self, kind: ResourceType) -> Observed {
        self.push_times[kind.index()].times()
    }

    /// Seconds that it takes to hand a response that is made to the connection: the other end may be slow to take it.
    pub fn send_time(&self) -> Observed {
        self.send_time.times()
    }

    /// Seconds from when a stream is told of a snapshot until it gets to it.
    pub fn queue_time(&self) -> Observed {
        self.queue_time.times()
    }

    /// Seconds from a change to its acknowledgement by a proxy, over all proxies.
    pub fn convergence(&self) -> Observed {
        self.convergence.times()
    }

    /// Responses rejected by proxies, of a type.
    pub fn rejects(&self, kind: ResourceType) -> u64 {
        self.rejects[kind.index()].load(Ordering::Relaxed)
    }

    /// Requests that answered a response of a type that was no longer in flight.
    pub fn stale(&self, kind: ResourceType) -> u64 {
        self.stale[kind.index()].load(Ordering::Relaxed)
    }

    /// Streams open now.
    pub fn connected(&self) -> u64 {
        self.connected.load(Ordering::Relaxed)
    }

    /// Streams turned away.
    pub fn refused_streams(&self) -> u64 {
        self.refused_streams.load(Ordering::Relaxed)
    }

    /// Times routes were sent although a client had not asked for the endpoints of a new cluster.
    pub fn waits_given_up(&self) -> u64 {
        self.waits_given_up.load(Ordering::Relaxed)
    }

    pub(crate) fn pushed(&self, kind: ResourceType, bytes: usize) {
        self.sizes[kind.index()].measured(bytes);
    }

    /// A response has been handed to the connection, all of it.
    pub(crate) fn sent(&self, kind: ResourceType, Begun { begun, made }: Begun) {
        let now = Instant::now();
        self.push_times[kind.index()].took(now - begun);
        self.send_time.took(now - made);
    }

    pub(crate) fn queued(&self, time: Duration) {
        self.queue_time.took(time);
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

    pub(crate) fn stale_request(&self, kind: ResourceType) {
        self.stale[kind.index()].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_refused(&self) {
        self.refused_streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn gave_up_waiting(&self) {
        self.waits_given_up.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn converged(&self, after: Duration) {
        self.convergence.took(after);
    }
}
