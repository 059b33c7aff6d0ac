//! Turns what is owed into one response, in the terms of each protocol.
//!
//! In: the list of what is owed and the base. Out: the resources and removals of one response. Delta states differences and
//! answers every name asked for; state of the world lists clusters and listeners in full, and of the others only what is new.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::batch::{Batch, Full};
use crate::resource::{Protocol, Resource, ResourceType};
use crate::snapshot::Snapshot;

use super::Context;
use super::on_demand::find_on_demand;
use super::watch::{Outgoing, Watch};

/// A client that asks for ever more names that do not exist is not followed beyond this.
const UNRESOLVED: usize = 1024;

/// A response being put together. By name, because a response must not name a resource twice.
#[derive(Default)]
struct Draft {
    entries: BTreeMap<Arc<str>, Entry>,
    removed: Vec<Arc<str>>,
    answered: Vec<Arc<str>>,
}

/// A resource, and the names under which it was asked for.
struct Entry {
    resource: Arc<Resource>,
    aliases: Vec<Arc<str>>,
}

/// What a response is composed from.
#[derive(Clone, Copy)]
struct View<'a> {
    /// What the client is being brought to.
    base: &'a Snapshot,
    /// What it will be brought to when the way is clear.
    newest: &'a Snapshot,
    context: &'a Context,
}

impl Draft {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.removed.is_empty()
    }

    fn add(&mut self, resource: Arc<Resource>, alias: Option<Arc<str>>) {
        let entry = self
            .entries
            .entry(resource.name().clone())
            .or_insert_with(|| Entry { resource, aliases: Vec::new() });
        entry.aliases.extend(alias);
    }

    fn finish(self, protocol: Protocol, full: bool) -> Outgoing {
        let Self { entries, removed, answered } = self;
        let resources = entries.into_values().map(|Entry { resource, aliases }| match &*aliases {
            [] => resource,
            aliases => resource.with_aliases(aliases),
        });
        Outgoing { batch: Batch::of(protocol, resources.collect()), removed, answered, full }
    }
}

impl Watch {
    pub(super) fn compose_delta(
        &mut self,
        base: &Snapshot,
        newest: &Snapshot,
        context: &Context,
    ) -> Option<Outgoing> {
        let view = View { base, newest, context };
        let must_answer = std::mem::take(&mut self.owed.answer);
        let mut draft = Draft::default();
        if std::mem::take(&mut self.owed.everything) {
            return Some(self.compose_everything(view));
        }
        // A group of suspects goes alone. One that has vanished meanwhile makes room for the next.
        while draft.is_empty()
            && let Some(group) = self.owed.probes.pop_front()
        {
            for name in group {
                self.owed.changed.remove(&name);
                self.state(&name, false, view, &mut draft);
            }
        }
        if draft.is_empty() {
            let asked = std::mem::take(&mut self.owed.asked);
            let changed = std::mem::take(&mut self.owed.changed);
            for name in changed.difference(&asked) {
                self.state(name, false, view, &mut draft);
            }
            for name in asked {
                self.state(&name, true, view, &mut draft);
            }
        }
        let anything = must_answer || !draft.is_empty();
        anything.then(|| draft.finish(Protocol::Delta, false))
    }

    /// The whole subscription. The batch is shared by all streams that need the same, unless this one deviates.
    fn compose_everything(&mut self, view: View<'_>) -> Outgoing {
        let View { base, newest: _, context } = view;
        let names = (!self.wildcard).then_some(&*self.names);
        let Full { batch, missing } = context.shared.batches.full(base, self.kind, Protocol::Delta, names);
        self.owed.changed.clear();
        self.owed.probes.clear();
        let mut asked = std::mem::take(&mut self.owed.asked);
        asked.retain(|name| base.get(self.kind, name).is_none());
        asked.extend(missing);
        let mut draft = Draft::default();
        for name in asked {
            self.state(&name, true, view, &mut draft);
        }
        // Only route configurations are followed by something when they answer a subscription.
        if self.kind == ResourceType::Route {
            draft.answered.extend(batch.resources().map(|resource| resource.name().clone()));
        }
        if draft.entries.is_empty() && self.rejected.is_empty() {
            let Draft { removed, answered, entries: _ } = draft;
            return Outgoing { batch, removed, answered, full: true };
        }
        for resource in batch.resources() {
            self.offer(resource, None, true, &mut draft);
        }
        draft.finish(Protocol::Delta, true)
    }

    /// States one name: the resource, its last good version, or that there is none.
    fn state(&mut self, name: &Arc<str>, asked: bool, view: View<'_>, draft: &mut Draft) {
        let View { base, newest, context } = view;
        if let Some(resource) = base.get(self.kind, name) {
            if asked {
                draft.answered.push(name.clone());
            }
            self.on_demand.remove(name);
            return self.offer(resource, None, asked, draft);
        }
        if self.kind == ResourceType::Cluster && self.leaving.contains_key(name) {
            // The answer is that it goes, and that comes when nothing names it any more.
            return;
        }
        if !asked && !self.names.contains(name) {
            return draft.removed.push(name.clone());
        }
        if newest.get(self.kind, name).is_some() {
            // It exists, but not yet for this type: what it names is still on its way.
            self.owed.asked.insert(name.clone());
            return;
        }
        self.leaving.remove(name);
        let found = self.kind.on_demand().then(|| find_on_demand(self.kind, base, name, context)).flatten();
        if self.kind.on_demand() && (found.is_some() || self.on_demand.len() < UNRESOLVED) {
            self.on_demand.insert(name.clone(), found.clone());
        }
        match found {
            Some(resource) => self.offer(&resource, Some(name.clone()), asked, draft),
            None if asked && self.kind == ResourceType::VirtualHost && self.names.contains(name) => {
                draft.add(Resource::absent(self.kind, name.clone()), None);
            }
            None => draft.removed.push(name.clone()),
        }
    }

    /// Adds a resource to the draft, or what stands in for it when the client has refused this version.
    fn offer(&mut self, resource: &Arc<Resource>, alias: Option<Arc<str>>, asked: bool, draft: &mut Draft) {
        let Some(refused) = self.rejected.get_mut(resource.name()) else {
            return draft.add(resource.clone(), alias);
        };
        if refused.version != *resource.version() {
            return draft.add(resource.clone(), alias);
        }
        let owed = std::mem::take(&mut refused.good_owed);
        match &refused.good {
            Some(good) if owed || asked => draft.add(good.clone(), alias),
            None if asked => draft.removed.push(alias.unwrap_or_else(|| resource.name().clone())),
            _ => {}
        }
    }

    pub(super) fn compose_sotw(&mut self, base: &Snapshot, context: &Context) -> Option<Outgoing> {
        let must_answer = std::mem::take(&mut self.owed.answer);
        let everything = std::mem::take(&mut self.owed.everything);
        let mut draft = Draft::default();
        if everything || self.kind.full_state() {
            self.owed.changed.clear();
            self.owed.asked.clear();
            self.owed.probes.clear();
            let names = (!self.wildcard).then_some(&*self.names);
            let Full { batch, missing: _ } =
                context.shared.batches.full(base, self.kind, Protocol::Sotw, names);
            if self.rejected.is_empty() && self.leaving.is_empty() {
                // An empty list answers only a client that wants all there is.
                let says_something = must_answer || self.kind.full_state() || !batch.is_empty();
                let (removed, answered) = (Vec::new(), Vec::new());
                return says_something.then_some(Outgoing { batch, removed, answered, full: true });
            }
            for resource in batch.resources() {
                self.offer(resource, None, true, &mut draft);
            }
            if self.kind.full_state() {
                // What the list leaves out is deleted: keep what something may still name.
                let held = self.leaving.values().filter_map(|leaving| leaving.held.as_ref());
                held.for_each(|resource| draft.add(resource.clone(), None));
            }
        } else {
            let kind = self.kind;
            let mut offer = |watch: &mut Self, named: &mut dyn Iterator<Item = &Arc<str>>| {
                for resource in named.filter_map(|name| base.get(kind, name)) {
                    watch.offer(resource, None, true, &mut draft);
                }
                !draft.entries.is_empty()
            };
            let mut any = false;
            while !any && let Some(group) = self.owed.probes.pop_front() {
                any = offer(self, &mut group.iter());
            }
            if !any {
                let asked = std::mem::take(&mut self.owed.asked);
                let changed = std::mem::take(&mut self.owed.changed);
                offer(self, &mut asked.union(&changed));
            }
        }
        draft.removed.clear();
        let anything = must_answer || everything || self.kind.full_state() || !draft.entries.is_empty();
        anything.then(|| draft.finish(Protocol::Sotw, everything))
    }
}
