//! The state of one stream, as a pure machine: requests and snapshots in, responses out. No IO, no tokio tasks, no clock.
//!
//! `watch` is one type on one stream, `drains` what leaves it late, `compose` writes down what is owed, `delta` and `sotw` read requests, `initial` is what a client brings, `nack` finds the bad
//! resource, `order` decides what may go out when. The server is only a loop around `on_request` and `next`.

mod compose;
mod delta;
mod drains;
mod initial;
mod nack;
mod on_demand;
mod order;
mod sotw;
mod sparse;
mod watch;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{Batch, Batches};
use crate::names::Names;
use crate::rejections::Rejections;
use crate::resource::{Protocol, Resource, ResourceType, TYPES};
use crate::snapshot::Snapshot;
use crate::source::Resolve;
use crate::unwarmed::Unwarmed;

use watch::Watch;

/// What all streams of a server share.
#[derive(Debug)]
pub struct Shared {
    /// Interned subscriptions.
    pub names: Names,
    /// Big batches of first pushes.
    pub batches: Batches,
    /// What proxies refused.
    pub rejections: Arc<Rejections>,
    /// What proxies wait for.
    pub unwarmed: Unwarmed,
    /// How the names of clusters begin that listeners name themselves; empty: there are none.
    pub drained_prefix: Arc<str>,
}

/// What a stream knows of its surroundings.
pub(crate) struct Context {
    pub(crate) protocol: Protocol,
    pub(crate) proxy: Arc<str>,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) shared: Arc<Shared>,
}

/// A response to be sent.
#[derive(Debug)]
pub struct Response {
    /// The type.
    pub kind: ResourceType,
    /// Unique on the stream.
    pub nonce: u64,
    /// Informative version: the sequence number of the snapshot.
    pub version: u64,
    /// The resources.
    pub batch: Arc<Batch>,
    /// Names that exist no more; delta only.
    pub removed: Vec<Arc<str>>,
}

/// What a request meant.
#[derive(Debug, Default)]
pub struct Received {
    /// The type, if it is one that is served.
    pub kind: Option<ResourceType>,
    /// It accepted the response in flight.
    pub acknowledged: bool,
    /// It answered a response that is not in flight (any more), or crossed one.
    pub stale: bool,
    /// It rejected the response in flight, with this message.
    pub rejected: Option<String>,
    /// The resources that are quarantined for it.
    pub quarantined: Vec<Arc<Resource>>,
}

/// One stream.
pub struct StreamState {
    context: Context,
    watches: [Watch; TYPES],
    /// The newest snapshot whose clusters the client has, warmed: listeners and routes go out up to here.
    ready: Option<Arc<Snapshot>>,
    /// Clusters that Envoy warms until their endpoints come, and the nonce that carries these, 0 until they are sent.
    warming: BTreeMap<Arc<str>, u64>,
    /// Clusters that the client may be warming besides: since an earlier stream, until it asks for endpoints, or from a response that
    /// it refused for others, until they are sent again.
    unwarmed: Arc<[Arc<str>]>,
    /// Whether others know of clusters that warm.
    noted: bool,
    /// All clusters went out at once: wait for whatever endpoints the client asks for instead of listing them.
    settling: bool,
    last_nonce: u64,
}

impl StreamState {
    /// A stream on which nothing was said yet.
    pub fn new(protocol: Protocol, proxy: Arc<str>, resolver: Arc<dyn Resolve>, shared: Arc<Shared>) -> Self {
        let watches = ResourceType::ALL.map(|kind| Watch::new(kind, shared.names.empty()));
        let unwarmed = shared.unwarmed.of(&proxy);
        Self {
            context: Context { protocol, proxy, resolver, shared },
            watches,
            ready: None,
            warming: BTreeMap::new(),
            noted: !unwarmed.is_empty(),
            unwarmed,
            settling: false,
            last_nonce: 0,
        }
    }

    /// Whether listeners and routes wait for clusters to warm. The caller may end that after a while with
    /// [`Self::stop_waiting`]: a client that never asks for endpoints must not stay without routes.
    pub fn is_waiting(&self) -> bool {
        self.settling || !self.warming.is_empty()
    }

    /// Treats all clusters as warm.
    pub fn stop_waiting(&mut self) {
        self.settling = false;
        self.warming.clear();
    }

    /// Whether the client has acknowledged all of `snapshot` that it subscribes to.
    pub fn has(&self, snapshot: &Arc<Snapshot>) -> bool {
        let mut active = self.watches.iter().filter(|watch| watch.active).peekable();
        let refused = self.watches.iter().any(|watch| !watch.rejected.is_empty());
        active.peek().is_some()
            && !self.is_waiting()
            && active.all(|watch| {
                let current = watch.base.as_ref().is_some_and(|base| Arc::ptr_eq(base, snapshot));
                // Clusters that a refused route may still name stay; that is as far as this stream gets.
                let drains = watch.leaving.values().all(|leaving| leaving.drains.is_some());
                current && watch.idle() && (drains || refused)
            })
    }

    /// State of one type, for the sync table: subscribed, last nonce sent, last nonce acknowledged.
    pub(crate) fn nonces(&self, kind: ResourceType) -> (bool, u64, u64) {
        let Watch { active, nonce_sent, nonce_acked, .. } = &self.watches[kind.index()];
        (*active, *nonce_sent, *nonce_acked)
    }

    /// How many names the stream subscribes to by name.
    pub(crate) fn subscribed_names(&self) -> usize {
        self.watches.iter().map(|watch| watch.names.len()).sum()
    }

    fn watch(&mut self, kind: ResourceType) -> &mut Watch {
        &mut self.watches[kind.index()]
    }

    fn activate(&mut self, kind: ResourceType) {
        if kind == ResourceType::Cluster && !self.watch(kind).active {
            // From now on listeners and routes wait for clusters.
            self.ready = None;
        }
        self.watch(kind).active = true;
    }

    /// Handles acknowledgement or rejection of what is in flight. Says so in `received`.
    fn settle(&mut self, kind: ResourceType, nonce: &str, error: Option<&str>, received: &mut Received) {
        let Self { context, watches, .. } = self;
        let watch = &mut watches[kind.index()];
        let in_flight = watch.in_flight.as_ref().map(|in_flight| in_flight.nonce);
        if in_flight.is_none() || in_flight != nonce.parse().ok() {
            received.stale = true;
            return;
        }
        match error {
            None => {
                watch.acknowledge(context);
                received.acknowledged = true;
                self.after_acknowledgement(kind, nonce.parse().unwrap_or_default());
            }
            Some(message) => {
                received.rejected = Some(message.to_owned());
                received.quarantined = watch.reject(message, context);
                self.after_rejection(kind, &received.quarantined);
            }
        }
    }
}
