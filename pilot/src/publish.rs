//! The publisher: keeps the configuration of every scope and class in use, and hands snapshots to streams.
//!
//! In: meshes with what changed ([`Publisher::publish`]) and proxies that come and go (`attach`). Out: a [`Snapshot`] a proxy, made
//! of a layer that it shares with its scope, one with those in its place, and one with workloads of equal inbound configuration. Work is changed hosts times scopes in use; equal resources are encoded once, whichever scope asked.

mod attach;
mod classes;
mod clearance;
mod counts;
mod credentials;
mod denied;
mod domains;
mod interner;
mod pool;
mod scope;
mod state;
#[cfg(test)]
mod tests;
mod turns;

pub use counts::Counts;

use crate::readers::Readers;
use mesh_model::{Mesh, MtlsMode, NamespacedName, ObjectRef, PeerModes, Problem, Reason, Str};
use pilot_status::Registrations;
use pilot_view::ListenerKey;
use pilot_xds::snapshot::{LAYERS, Snapshot};
use scope::ScopeState;
use state::{State, Subscriber};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Keeps configuration and hands it out. Cheap to clone.
#[derive(Clone, Default)]
pub struct Publisher {
    state: Arc<Mutex<State>>,
    /// Where workloads register themselves; `None`: nowhere.
    registrations: Option<Registrations>,
}

impl Publisher {
    /// One that gives keys to whom `readers` say may have them; without, to everybody who has proven to be of their namespace. It has
    /// workloads that want to register themselves do so with `registrations`; without, they are turned away.
    pub fn new(readers: Readers, registrations: Option<Registrations>) -> Self {
        let state = State { readers: Arc::new(readers), ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), registrations }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while deriving leaves the state as it was before or after single resources: each is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Objects that have no effect somewhere because an older one is in their place, and those that close what they are for.
    pub fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        let state = self.lock();
        let mut problems: BTreeMap<ObjectRef, Vec<Problem>> = BTreeMap::new();
        for scope in state.scopes.values().filter(|scope| !scope.is_vacant()) {
            for (key, object) in scope.conflicts() {
                let message = format!("connections to {key} go to an older service");
                let hint = match key {
                    ListenerKey::Port { .. } => "give one of the two an address of its own, or another port",
                    ListenerKey::Unix(_) => "leave one of the two out of the Sidecar's `egress` there",
                };
                let problem = Problem::warning(Reason::Conflict, "spec.ports", message).hint(hint);
                let known = problems.entry(object.clone()).or_default();
                if !known.contains(&problem) {
                    known.push(problem);
                }
            }
        }
        for (host, defect) in state.scopes.values().flat_map(ScopeState::defects) {
            for object in scope::objects_of(&state.mesh, host) {
                let known = problems.entry(object).or_default();
                if !known.contains(defect) {
                    known.push(defect.clone());
                }
            }
        }
        for (object, problem) in closed(&state).into_iter().chain(denied::denied(&state)) {
            problems.entry(object).or_default().push(problem);
        }
        // Scopes come in no order.
        problems.values_mut().for_each(|problems| problems.sort());
        problems
    }

    /// Sequence number of the last publication, how many proxies have ever come, and how many are there.
    pub fn epoch(&self) -> [u64; 3] {
        let state = self.lock();
        [state.sequence, state.next_id, state.proxies.len() as u64]
    }

    /// The mesh that is published, and all proxies, those together that have the same configuration.
    pub fn audience(&self) -> (Arc<Mesh>, Vec<Audience>) {
        let state = self.lock();
        let mut audiences: HashMap<[u64; LAYERS], Audience> = HashMap::new();
        for subscriber in state.proxies.values() {
            let Subscriber { connected: _, proxy, takes: _, home, proven: _, snapshots } = &**subscriber;
            let snapshot = snapshots.newest();
            let audience = audiences
                .entry(snapshot.layers.each_ref().map(|layer| layer.id()))
                .or_insert_with(|| Audience {
                    snapshot: snapshot.clone(),
                    sidecar: home.scope.sidecar.clone(),
                    proxies: Vec::new(),
                });
            audience.proxies.push((proxy.name.clone(), snapshot.sequence));
        }
        (state.mesh.clone(), audiences.into_values().collect())
    }

    /// Every connected proxy, as the mesh knows it.
    pub fn proxies(&self) -> Vec<pilot_view::Proxy> {
        self.lock().proxies.values().map(|subscriber| subscriber.proxy.clone()).collect()
    }

    /// The snapshot that the proxy named `name` is meant to have.
    pub fn snapshot(&self, name: &str) -> Option<Arc<Snapshot>> {
        let state = self.lock();
        let found = state.proxies.values().find(|subscriber| *subscriber.proxy.name == *name)?;
        Some(found.snapshots.newest())
    }

    /// What each connected proxy says of itself in vain.
    pub fn ignored_metadata(&self) -> HashMap<Str, Arc<[String]>> {
        let state = self.lock();
        let of = |subscriber: &Subscriber| {
            let ignored = subscriber.connected.ignored();
            (!ignored.is_empty()).then(|| (subscriber.proxy.name.clone(), ignored.clone()))
        };
        state.proxies.values().filter_map(|subscriber| of(subscriber)).collect()
    }
}

/// PeerAuthentications that ask for mTLS alone where proxies have no certificate to speak it with.
fn closed(state: &State) -> BTreeMap<ObjectRef, Problem> {
    let mut without: BTreeMap<ObjectRef, BTreeSet<Str>> = BTreeMap::new();
    for proxy in
        state.proxies.values().map(|subscriber| &subscriber.proxy).filter(|proxy| !proxy.has_identity)
    {
        let PeerModes { mode, ports, by, ports_by } = state.mesh.peer_modes(&proxy.namespace, &proxy.labels);
        let strict = |mode: MtlsMode| mode == MtlsMode::Strict;
        let whole = by.filter(|_| strict(mode));
        let single = ports_by.filter(|_| ports.values().copied().any(strict));
        for object in whole.into_iter().chain(single) {
            without.entry(object).or_default().insert(proxy.name.clone());
        }
    }
    let tell = |(object, names): (ObjectRef, BTreeSet<Str>)| {
        let some = names.iter().take(3).map(|name| &**name).collect::<Vec<_>>().join(", ");
        let message = format!(
            "proxies that have no certificate ({}, such as {some}) take nothing on the ports where this asks for mTLS alone",
            names.len()
        );
        let hint = "start them with an agent that gets one, or let plaintext in: `mode: PERMISSIVE`";
        (object, Problem::warning(Reason::Conflict, "spec", message).hint(hint))
    };
    without.into_iter().map(tell).collect()
}

/// Proxies that are meant to have the same.
#[derive(Debug, Clone)]
pub struct Audience {
    /// What they are meant to have.
    pub snapshot: Arc<Snapshot>,
    /// The Sidecar that applies to them.
    pub sidecar: Option<NamespacedName>,
    /// Their names, each with the publication that brought it what it is meant to have.
    pub proxies: Vec<(Str, u64)>,
}
