//! What one stream has and wants of one type: the subscription, what was sent last, and how reality deviates from it.
//!
//! In: subscription changes, snapshots, acknowledgements. Out: what to send next. Both protocols share this; they differ in
//! how requests change it (`delta`, `sotw`) and in how a response states it (`compose`). No IO, no clock.
//!
//! The invariant: when nothing is in flight and nothing is owed, the client holds exactly the subscribed part of `base`, except
//! `leaving` (which it still holds) and `rejected` (which it refused).

use std::sync::Arc;

use crate::batch::Batch;
use crate::names::NameSet;
use crate::resource::{Protocol, Resource, ResourceType};
use crate::snapshot::Snapshot;

use super::Context;
use super::drains::Leaving;
use super::initial::Initial;
use super::on_demand::find_on_demand;
use super::sparse::{SparseMap, SparseQueue, SparseSet};

/// One type on one stream.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) kind: ResourceType,
    /// The client has asked for this type.
    pub(crate) active: bool,
    pub(crate) wildcard: bool,
    /// Names asked for explicitly.
    pub(crate) names: Arc<NameSet>,
    /// What the client was last brought to, as far as `owed` does not say otherwise.
    pub(crate) base: Option<Arc<Snapshot>>,
    /// The last base that was acknowledged in full.
    pub(crate) acked: Option<Arc<Snapshot>>,
    pub(crate) owed: Owed,
    /// Gone from `base` but still with the client, until nothing names it any more.
    pub(crate) leaving: SparseMap<Arc<str>, Leaving>,
    /// What was leaving, and still with the client, when it came back as another version: that one may be refused.
    pub(crate) returning: SparseMap<Arc<str>, Arc<Resource>>,
    pub(crate) rejected: SparseMap<Arc<str>, Rejected>,
    /// Names that are not in the maps, and what answered them last.
    pub(crate) on_demand: SparseMap<Arc<str>, Option<Arc<Resource>>>,
    pub(crate) in_flight: Option<InFlight>,
    /// Nonce of the last response sent, 0 before the first.
    pub(crate) nonce_sent: u64,
    pub(crate) nonce_acked: u64,
}

/// What the client must be told although `base` says it has it.
#[derive(Debug, Default)]
pub(crate) struct Owed {
    /// What the client brought from an earlier stream, until there is a base to compare it with.
    pub(crate) initial: Option<Box<Initial>>,
    /// The whole subscription.
    pub(crate) everything: bool,
    /// A response, even if it is empty.
    pub(crate) answer: bool,
    /// Names the client asked for: each gets an answer, also if it does not exist.
    pub(crate) asked: SparseSet<Arc<str>>,
    /// Names whose content changed.
    pub(crate) changed: SparseSet<Arc<str>>,
    /// Groups to be tried one by one, after a rejection that named nobody.
    pub(crate) probes: SparseQueue<Vec<Arc<str>>>,
}

impl Owed {
    fn is_empty(&self) -> bool {
        let Self { initial, everything, answer, asked, changed, probes } = self;
        let nothing_named = asked.is_empty() && changed.is_empty() && probes.is_empty();
        nothing_named && initial.is_none() && !everything && !answer
    }
}

/// A version that the client refused.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) version: Arc<str>,
    /// What it keeps, or is to get, instead.
    pub(crate) good: Option<Arc<Resource>>,
    /// The client does not have `good` yet.
    pub(crate) good_owed: bool,
}

/// A response that is not acknowledged yet.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) nonce: u64,
    pub(crate) batch: Arc<Batch>,
}

/// What is to go out for a type.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) batch: Arc<Batch>,
    pub(crate) removed: Vec<Arc<str>>,
    /// Those of the names sent that the client had asked for.
    pub(crate) answered: Vec<Arc<str>>,
    /// Whether it states the whole subscription.
    pub(crate) full: bool,
}

impl Watch {
    pub(crate) fn new(kind: ResourceType, names: Arc<NameSet>) -> Self {
        Self {
            kind,
            active: false,
            wildcard: false,
            names,
            base: None,
            acked: None,
            owed: Owed::default(),
            leaving: SparseMap::default(),
            returning: SparseMap::default(),
            rejected: SparseMap::default(),
            on_demand: SparseMap::default(),
            in_flight: None,
            nonce_sent: 0,
            nonce_acked: 0,
        }
    }

    /// Whether the client wants this name.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.active && (self.wildcard || self.names.contains(name))
    }

    /// Nothing in flight and nothing owed: the client has `base`.
    pub(crate) fn idle(&self) -> bool {
        self.in_flight.is_none() && self.owed.is_empty()
    }

    /// Whether the client, as far as we know, may still use what `snapshot` no longer has.
    pub(crate) fn settled_without(&self, kind: ResourceType, name: &str) -> bool {
        if !self.active {
            return true;
        }
        let gone = self.base.as_ref().is_none_or(|base| base.get(kind, name).is_none());
        // A refused update leaves an older version in place, which may name anything.
        self.idle() && self.rejected.is_empty() && gone
    }

    /// Forgets the subscription.
    pub(crate) fn clear(&mut self, no_names: Arc<NameSet>) {
        let Self { kind, nonce_sent, nonce_acked, .. } = *self;
        *self = Self { nonce_sent, nonce_acked, ..Self::new(kind, no_names) };
    }

    /// Forgets one name that the client wants no more.
    pub(crate) fn forget(&mut self, name: &str) {
        self.owed.asked.remove(name);
        self.owed.changed.remove(name);
        self.owed.probes.retain_mut(|probe| {
            probe.retain(|probed| **probed != *name);
            !probe.is_empty()
        });
        self.leaving.remove(name);
        self.returning.remove(name);
        self.rejected.remove(name);
        self.on_demand.remove(name);
    }

    /// Moves `base` to `target`, and puts on the list of what is owed whatever that changes for the client.
    pub(crate) fn absorb(&mut self, target: &Arc<Snapshot>, context: &Context) {
        if !self.active {
            return;
        }
        let Some(base) = self.base.take() else {
            self.base = Some(target.clone());
            self.absorb_initial(target, context);
            return;
        };
        if Arc::ptr_eq(&base, target) {
            self.base = Some(base);
            return;
        }
        self.base = Some(target.clone());
        if !base.same_content(target) {
            let kind = self.kind;
            target.changed_since(&base, kind, |name| self.note_change(&base, target, name));
            self.resolve_again(target, context);
        }
        if self.idle() {
            self.arrive();
        }
    }

    fn note_change(&mut self, base: &Snapshot, target: &Snapshot, name: &Arc<str>) {
        if !(self.wildcard || self.names.contains(name)) {
            return;
        }
        match (base.get(self.kind, name), target.get(self.kind, name)) {
            (Some(old), Some(new)) if old.version() == new.version() => {}
            (_, Some(_)) => {
                // One that comes back before it went is sent even if it is equal: whether the client has it is not known for sure.
                if let Some(Leaving { held: Some(held), drains: _ }) = self.leaving.remove(name) {
                    self.returning.insert(name.clone(), held);
                }
                self.owed.changed.insert(name.clone());
            }
            // A name that changed more than once is told more than once.
            (Some(_), None) if self.leaving.contains_key(name) => {}
            (Some(old), None) => {
                let refused = self.rejected.remove(name);
                if matches!(self.kind, ResourceType::Cluster | ResourceType::Endpoints) {
                    let held = refused.map_or_else(|| Some(old.clone()), |refused| refused.good);
                    self.owed.changed.remove(name);
                    if self.kind == ResourceType::Cluster {
                        // Its removal, in due time, will be the answer.
                        self.owed.asked.remove(name);
                    }
                    self.leaving.insert(name.clone(), Leaving::of(held));
                } else {
                    // A removal, not an answer: the client may have an older version.
                    self.owed.asked.remove(name);
                    self.owed.changed.insert(name.clone());
                }
            }
            (None, None) => {}
        }
    }

    /// Names that the maps do not have may resolve otherwise now.
    fn resolve_again(&mut self, target: &Snapshot, context: &Context) {
        for (name, held) in &self.on_demand {
            let now = find_on_demand(self.kind, target, name, context);
            let version = |resource: &Option<Arc<Resource>>| resource.as_ref().map(|r| r.version().clone());
            if version(&now) != version(held) {
                self.owed.changed.insert(name.clone());
            }
        }
    }

    /// What the client should be told now, if anything, taken off the list of what is owed.
    pub(crate) fn compose(&mut self, newest: &Snapshot, context: &Context) -> Option<Outgoing> {
        if !self.active || self.in_flight.is_some() || self.owed.is_empty() {
            return None;
        }
        let base = self.base.clone()?;
        let outgoing = match context.protocol {
            Protocol::Delta => self.compose_delta(&base, newest, context),
            Protocol::Sotw => self.compose_sotw(&base, context),
        };
        if outgoing.is_none() && self.idle() {
            self.arrive();
        }
        outgoing
    }

    /// Marks what was composed as sent.
    pub(crate) fn sent(&mut self, nonce: u64, outgoing: &Outgoing) {
        self.nonce_sent = nonce;
        self.in_flight = Some(InFlight { nonce, batch: outgoing.batch.clone() });
    }

    /// The client has `base`.
    fn arrive(&mut self) {
        self.acked = self.base.clone();
        self.returning.clear();
    }

    /// What the client has of a name, as far as that is another version than `refused`.
    pub(super) fn has_instead_of(&self, refused: &Resource) -> Option<Arc<Resource>> {
        let acked = self.acked.as_ref().and_then(|acked| acked.get(self.kind, refused.name()));
        let held = acked.or_else(|| self.returning.get(refused.name()));
        held.filter(|held| held.version() != refused.version()).cloned()
    }

    fn wanted_version(&self, name: &str) -> Option<&Arc<str>> {
        Some(self.base.as_ref()?.get(self.kind, name)?.version())
    }

    /// The client accepted what was in flight.
    pub(crate) fn acknowledge(&mut self, context: &Context) {
        let Some(InFlight { nonce, batch }) = self.in_flight.take() else { return };
        self.nonce_acked = nonce;
        // Mostly nobody refuses anything: then there is nothing to look through thousands of resources for.
        let refused = !(self.rejected.is_empty() && context.shared.rejections.is_empty());
        for resource in batch.resources().filter(|_| refused) {
            // What stands in for a refused version does not end the refusal, while that version is the wanted one.
            if let Some(refused) = self.rejected.get(resource.name())
                && refused.version != *resource.version()
                && self.wanted_version(resource.name()).is_none_or(|wanted| *wanted != refused.version)
            {
                self.rejected.remove(resource.name());
            }
            context.shared.rejections.accepted(resource, &context.proxy);
        }
        if self.idle() {
            self.arrive();
        }
    }
}
