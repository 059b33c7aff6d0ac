//! What may go out when: make before break, by acknowledgement.
//!
//! In: the newest snapshot. Out: at most one response a call, in the order clusters, endpoints, secrets, listeners, routes, virtual
//! hosts, names of services, removals. Clusters, endpoints and secrets follow the newest snapshot; listeners and routes follow `ready`, the newest one whose
//! clusters the client has acknowledged and whose endpoints it has for every cluster it warms. A cluster is removed when no
//! acknowledged snapshot of listeners or routes has it any more, and no connection of the past (`drains`). A pure endpoint change waits for nothing, except while clusters
//! warm whose endpoints the newest snapshot has no more: routes are about to name them.

use std::sync::Arc;

use crate::resource::{Protocol, Resource, ResourceType};
use crate::snapshot::Snapshot;

use super::watch::{Outgoing, Owed};
use super::{Response, StreamState};

/// What names clusters, in the order in which it is sent.
const DOWNSTREAM: [ResourceType; 4] =
    [ResourceType::Listener, ResourceType::Route, ResourceType::VirtualHost, ResourceType::InlineRoute];

/// What says where to connect to: once something listens there.
const LAST: ResourceType = ResourceType::NameTable;

impl StreamState {
    /// The next response to send, if any; to be called until there is none.
    pub fn next(&mut self, newest: &Arc<Snapshot>) -> Option<Response> {
        if let Some(response) = self.next_clusters(newest) {
            return Some(response);
        }
        let waited = self.is_waiting();
        if let Some(response) = self.next_endpoints(newest) {
            return Some(response);
        }
        if let Some(response) = self.next_secrets(newest) {
            return Some(response);
        }
        self.finish_rollout();
        if waited
            && !self.is_waiting()
            && let Some(response) = self.next_clusters(newest)
        {
            return Some(response);
        }
        if let Some(ready) = self.ready.clone() {
            for kind in DOWNSTREAM.into_iter().chain([LAST]) {
                if let Some(response) = self.next_downstream(kind, &ready, newest) {
                    return Some(response);
                }
            }
        }
        self.next_removals()
    }

    fn next_clusters(&mut self, newest: &Arc<Snapshot>) -> Option<Response> {
        if !self.watch(ResourceType::Cluster).active {
            self.ready = Some(newest.clone());
            return None;
        }
        self.finish_rollout();
        // The next clusters wait until the last ones are warm, so that routes keep up while changes keep coming.
        if self.is_waiting() || self.watch(ResourceType::Cluster).in_flight.is_some() {
            return None;
        }
        let Self { context, watches, .. } = self;
        let clusters = &mut watches[ResourceType::Cluster.index()];
        let first = clusters.acked.is_none();
        clusters.absorb(newest, context);
        let Some(outgoing) = clusters.compose(newest, context) else {
            self.finish_rollout();
            return None;
        };
        self.begin_warming(&outgoing, first, newest);
        Some(self.send(ResourceType::Cluster, outgoing))
    }

    /// Lets listeners and routes follow when the clusters are there.
    fn finish_rollout(&mut self) {
        if self.settling {
            let [clusters, endpoints, ..] = &self.watches;
            self.settling = !(clusters.idle() && (!endpoints.active || endpoints.idle()));
        }
        let clusters = &self.watches[ResourceType::Cluster.index()];
        if let Some(base) = &clusters.base
            && clusters.idle()
            && !self.is_waiting()
        {
            self.ready = Some(base.clone());
        }
    }

    /// Notes which clusters will warm and sends them their endpoints again: Envoy asks only for those of new clusters.
    fn begin_warming(&mut self, outgoing: &Outgoing, first: bool, newest: &Snapshot) {
        let Self { context, watches, warming, settling, .. } = self;
        let endpoints = &watches[ResourceType::Endpoints.index()];
        if outgoing.full && (first || endpoints.names.is_empty()) {
            *settling = true;
            return;
        }
        for cluster in outgoing.batch.resources() {
            // A cluster of another type than EDS has none, and warms by itself.
            let Some(assignment) = newest.get(ResourceType::Endpoints, cluster.name()) else { continue };
            // State of the world repeats every cluster each time; only those that differ warm.
            let acked = &watches[ResourceType::Cluster.index()].acked;
            if context.protocol == Protocol::Sotw && has_version(acked, cluster) {
                continue;
            }
            let endpoints = &mut watches[ResourceType::Endpoints.index()];
            warming.insert(cluster.name().clone(), 0);
            if endpoints.wants(cluster.name()) {
                endpoints.owed.changed.insert(assignment.name().clone());
            }
        }
        if self.unwarmed.iter().any(|name| self.warming.contains_key(name)) {
            let waits = |name: &&Arc<str>| !self.warming.contains_key(*name);
            self.unwarmed = self.unwarmed.iter().filter(waits).cloned().collect();
        }
        self.note_warming();
    }

    /// Lets the next stream of this proxy know what it warms.
    fn note_warming(&mut self) {
        let Self { context, warming, unwarmed, noted, .. } = self;
        let anything = !(warming.is_empty() && unwarmed.is_empty());
        // State of the world says everything again on a new stream.
        if context.protocol == Protocol::Delta && (anything || *noted) {
            context.shared.unwarmed.note(&context.proxy, warming.keys().chain(unwarmed.iter()));
            *noted = anything;
        }
    }

    /// The client asks for endpoints for the first time on this stream. Clusters that were sent before wait for these even if it
    /// brought equal ones, and so do those that it was warming when its last stream broke.
    pub(super) fn owe_warming(&mut self) {
        let Self { watches, warming, unwarmed, .. } = self;
        let endpoints = &mut watches[ResourceType::Endpoints.index()];
        let unwarmed = std::mem::take(unwarmed);
        warming.extend(unwarmed.iter().filter(|name| endpoints.wants(name)).map(|name| (name.clone(), 0)));
        let waiting: Vec<_> = warming.keys().filter(|name| endpoints.wants(name)).cloned().collect();
        endpoints.owed.changed.extend(waiting);
        self.note_warming();
    }

    fn next_endpoints(&mut self, newest: &Arc<Snapshot>) -> Option<Response> {
        let has_lost = self.has_lost_endpoints(newest);
        let Self { context, watches, .. } = self;
        let [clusters, endpoints, ..] = watches;
        match &clusters.base {
            // The routes of this rollout are still to come, and would find clusters without endpoints.
            Some(rollout) if has_lost => {
                if endpoints.base.as_ref().is_none_or(|base| base.sequence < rollout.sequence) {
                    endpoints.absorb(rollout, context);
                }
            }
            _ => endpoints.absorb(newest, context),
        }
        let outgoing = endpoints.compose(newest, context)?;
        Some(self.send(ResourceType::Endpoints, outgoing))
    }

    /// Clusters warm until they have them, and nothing names them but clusters: they wait for nothing.
    fn next_secrets(&mut self, newest: &Arc<Snapshot>) -> Option<Response> {
        let Self { context, watches, .. } = self;
        let secrets = &mut watches[ResourceType::Secret.index()];
        secrets.absorb(newest, context);
        let outgoing = secrets.compose(newest, context)?;
        Some(self.send(ResourceType::Secret, outgoing))
    }

    /// Whether endpoints that clusters wait for, or that the client has asked for and not got, exist no more in the newest snapshot.
    fn has_lost_endpoints(&self, newest: &Arc<Snapshot>) -> bool {
        let Self { watches, warming, settling, .. } = self;
        let Some(rollout) = &watches[ResourceType::Cluster.index()].base else { return false };
        if Arc::ptr_eq(rollout, newest) {
            return false;
        }
        let exist = |snapshot: &Snapshot, name: &str| snapshot.get(ResourceType::Endpoints, name).is_some();
        let lost = |name: &Arc<str>| !exist(newest, name) && exist(rollout, name);
        // What the client asks for it may be warming since an earlier stream that did not list it.
        let endpoints = &watches[ResourceType::Endpoints.index()];
        let Owed { initial, everything, asked, .. } = &endpoints.owed;
        let asks_for_all = *everything || initial.is_some();
        let mut has_lost =
            warming.keys().chain(asked.iter()).any(lost) || asks_for_all && endpoints.names.iter().any(lost);
        if *settling {
            newest.changed_since(rollout, ResourceType::Endpoints, |name| has_lost |= lost(name));
        }
        has_lost
    }

    /// Notes which response will finish the warming of which clusters.
    fn note_warmed(&mut self, nonce: u64, outgoing: &Outgoing) {
        if self.warming.is_empty() {
            return;
        }
        let Outgoing { batch, removed, answered: _, full: _ } = outgoing;
        for name in batch.resources().map(|resource| resource.name()).chain(removed) {
            if let Some(carried_by) = self.warming.get_mut(name) {
                *carried_by = nonce;
            }
        }
    }

    fn next_downstream(
        &mut self,
        kind: ResourceType,
        ready: &Arc<Snapshot>,
        newest: &Snapshot,
    ) -> Option<Response> {
        let Self { context, watches, .. } = self;
        let watch = &mut watches[kind.index()];
        watch.absorb(ready, context);
        let outgoing = watch.compose(newest, context)?;
        if kind == ResourceType::Route {
            self.follow_with_virtual_hosts(&outgoing.answered, ready);
        }
        Some(self.send(kind, outgoing))
    }

    /// A route configuration sent in answer to a subscription is new to the client: its virtual hosts must follow, whatever
    /// was sent before. (A changed one keeps the hosts it has.)
    fn follow_with_virtual_hosts(&mut self, routes: &[Arc<str>], ready: &Snapshot) {
        let hosts = self.watch(ResourceType::VirtualHost);
        if !hosts.active || hosts.owed.everything {
            return;
        }
        for route in routes {
            let prefix = format!("{route}/");
            let theirs = ready.with_prefix(ResourceType::VirtualHost, &prefix).map(|host| host.name());
            let wanted: Vec<_> = theirs.filter(|name| hosts.wants(name)).cloned().collect();
            hosts.owed.changed.extend(wanted);
        }
    }

    /// Removes clusters that nothing names any more, then endpoints of clusters that are gone.
    fn next_removals(&mut self) -> Option<Response> {
        let clusters = &self.watches[ResourceType::Cluster.index()];
        if clusters.active && clusters.idle() && !clusters.leaving.is_empty() {
            let listeners = &self.watches[ResourceType::Listener.index()];
            let gone: Vec<_> = clusters
                .leaving
                .iter()
                // What came from an earlier stream may be named by listeners that come from there, too.
                .filter(|(_, leaving)| leaving.held.is_some() || listeners.active)
                .map(|(name, _)| name)
                .filter(|name| {
                    let without = |kind: ResourceType| {
                        self.watches[kind.index()].settled_without(ResourceType::Cluster, name)
                    };
                    DOWNSTREAM.into_iter().all(without)
                })
                .cloned()
                .collect();
            let gone = self.drained(gone);
            if let Some(response) = self.remove(ResourceType::Cluster, gone) {
                return Some(response);
            }
        }
        let [clusters, endpoints, ..] = &self.watches;
        if endpoints.active && endpoints.idle() && clusters.idle() && !endpoints.leaving.is_empty() {
            let of_present = |name: &&Arc<str>| !clusters.leaving.contains_key(*name);
            let gone = endpoints.leaving.keys().filter(of_present).cloned().collect();
            return self.remove(ResourceType::Endpoints, gone);
        }
        None
    }

    fn remove(&mut self, kind: ResourceType, gone: Vec<Arc<str>>) -> Option<Response> {
        if gone.is_empty() {
            return None;
        }
        let Self { context, watches, .. } = self;
        let watch = &mut watches[kind.index()];
        for name in &gone {
            watch.leaving.remove(name);
        }
        let outgoing = match context.protocol {
            Protocol::Delta => {
                Outgoing { batch: Arc::default(), removed: gone, answered: Vec::new(), full: false }
            }
            // Only a full list can say that something is gone.
            Protocol::Sotw if kind.full_state() => {
                watch.owed.answer = true;
                let base = watch.base.clone()?;
                watch.compose(&base, context)?
            }
            Protocol::Sotw => return None,
        };
        Some(self.send(kind, outgoing))
    }

    fn send(&mut self, kind: ResourceType, outgoing: Outgoing) -> Response {
        self.last_nonce += 1;
        let nonce = self.last_nonce;
        let watch = self.watch(kind);
        watch.sent(nonce, &outgoing);
        let version = watch.base.as_ref().map_or(0, |base| base.sequence);
        if kind == ResourceType::Endpoints {
            self.note_warmed(nonce, &outgoing);
        }
        let Outgoing { batch, removed, answered: _, full: _ } = outgoing;
        Response { kind, nonce, version, batch, removed }
    }

    pub(super) fn after_acknowledgement(&mut self, kind: ResourceType, nonce: u64) {
        match kind {
            ResourceType::Endpoints => self.warming.retain(|_, carried_by| *carried_by != nonce),
            // Envoy asks for endpoints before it acknowledges clusters: a client that did not is not going to.
            ResourceType::Cluster if !self.watch(ResourceType::Endpoints).active => self.warming.clear(),
            _ => return,
        }
        self.note_warming();
    }

    pub(super) fn after_rejection(&mut self, kind: ResourceType, quarantined: &[Arc<Resource>]) {
        match kind {
            // All that the response had and is not quarantined is sent again, and will warm then.
            // Until then the client warms those that it took nevertheless: its next stream has to know.
            ResourceType::Cluster => {
                let taken = |name: &&Arc<str>| !quarantined.iter().any(|bad| bad.name() == *name);
                self.unwarmed =
                    self.warming.keys().chain(self.unwarmed.iter()).filter(taken).cloned().collect();
                self.stop_waiting();
            }
            ResourceType::Endpoints => {
                // What was refused keeps the endpoints it has; the others are sent again.
                for resource in quarantined {
                    self.warming.remove(resource.name());
                }
                self.warming.values_mut().for_each(|carried_by| *carried_by = 0);
            }
            _ => {}
        }
    }
}

fn has_version(snapshot: &Option<Arc<Snapshot>>, resource: &Resource) -> bool {
    let held = snapshot.as_ref().and_then(|snapshot| snapshot.get(resource.kind(), resource.name()));
    held.is_some_and(|held| held.version() == resource.version())
}
