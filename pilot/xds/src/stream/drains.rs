//! Clusters that nothing names any more, but connections may that are older than what the client has.
//!
//! Where a listener itself says which cluster its requests go to, connections that it accepted keep to what it said then: Envoy lets them
//! go on for its drain time after it has acknowledged another listener, and answers their requests with 503 if the cluster is gone. So
//! such a cluster, known by the beginning of its name, leaves when that time has passed. (What looks up routes by name needs no more
//! than an acknowledgement, and a connection of bytes that has found an endpoint no cluster any more.)
//!
//! In: what could leave, and ticks of a clock that is elsewhere. Out: what may. No more than [`MOST`] wait, however many edits there are.

use std::sync::Arc;

use crate::resource::{Resource, ResourceType};

use super::StreamState;

/// If more than this wait, the oldest wait no longer.
pub(super) const MOST: usize = 32;

/// What is gone, but still with the client.
#[derive(Debug)]
pub(crate) struct Leaving {
    /// Unknown when the client brought it from an earlier stream.
    pub(crate) held: Option<Arc<Resource>>,
    /// Set when only connections of the past may name it.
    pub(crate) drains: Option<Drains>,
}

impl Leaving {
    pub(crate) fn of(held: Option<Arc<Resource>>) -> Self {
        Self { held, drains: None }
    }
}

/// How far the connections of something are with ending.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drains {
    /// The last nonce when nothing named it any more.
    begun: u64,
    /// Ticks until all of the drain time has passed: the first comes sooner, if others wait already.
    ticks: u8,
}

impl StreamState {
    /// Whether anything waits for connections to end. While it does, [`Self::drain_time_passed`] is to be called each time that the drain
    /// time has passed since the last call, or since this became true.
    pub fn is_draining(&self) -> bool {
        let clusters = &self.watches[ResourceType::Cluster.index()];
        clusters.leaving.values().any(|leaving| leaving.drains.is_some_and(|drains| drains.ticks > 0))
    }

    /// A tick of the clock: what has waited since the last one goes.
    pub fn drain_time_passed(&mut self) {
        for leaving in self.watch(ResourceType::Cluster).leaving.values_mut() {
            if let Some(drains) = &mut leaving.drains {
                drains.ticks = drains.ticks.saturating_sub(1);
            }
        }
    }

    /// Those of `unnamed`, clusters that nothing names any more, of which no connection is left.
    pub(super) fn drained(&mut self, mut unnamed: Vec<Arc<str>>) -> Vec<Arc<str>> {
        let Self { context, watches, last_nonce, .. } = self;
        let prefix = &*context.shared.drained_prefix;
        let leaving = &mut watches[ResourceType::Cluster.index()].leaving;
        let mut waiting: Vec<(u64, Arc<str>)> = Vec::new();
        unnamed.retain(|name| {
            if prefix.is_empty() || !name.starts_with(prefix) {
                return true;
            }
            let Some(leaving) = leaving.get_mut(name) else { return true };
            let drains = leaving.drains.get_or_insert(Drains { begun: *last_nonce, ticks: 2 });
            if drains.ticks > 0 {
                waiting.push((drains.begun, name.clone()));
            }
            drains.ticks == 0
        });
        waiting.sort();
        let too_many = waiting.len().saturating_sub(MOST);
        unnamed.extend(waiting.drain(..too_many).map(|(_, name)| name));
        unnamed
    }
}
