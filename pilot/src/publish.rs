//! The publisher: keeps the configuration of every scope and class in use, and hands snapshots to streams.
//!
//! In: meshes with what changed ([`Publisher::publish`]) and proxies that come and go ([`Source::attach`]). Out: a
//! [`Snapshot`] a proxy, made of a layer that it shares with its scope and one that it shares with workloads of equal
//! inbound configuration. Work is changed hosts times scopes in use; equal resources are encoded once, whichever scope asked.

mod classes;
mod domains;
mod pool;
mod scope;

use crate::proxy::Connected;
use classes::Classes;
use mesh_model::{ChangeSet, Mesh, NamespacedName, ObjectRef, Problem, Reason, Str};
use pilot_view::{ScopeKey, affects};
use pilot_xds::{
    layer::Layer,
    resource::{Protocol, Resource, ResourceType},
    snapshot::{LAYERS, Snapshot},
    source::{Attachment, Refusal, Resolve, Source},
    wire::Node,
};
use pool::Pool;
use scope::ScopeState;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};
use tokio::sync::watch;

/// Keeps configuration and hands it out. Cheap to clone.
#[derive(Clone)]
pub struct Publisher {
    state: Arc<Mutex<State>>,
}

struct State {
    mesh: Arc<Mesh>,
    pool: Pool,
    sequence: u64,
    scopes: HashMap<ScopeKey, ScopeState>,
    classes: Classes,
    /// Nothing depends on places apart from scopes.
    nowhere: Arc<Layer>,
    proxies: HashMap<u64, Subscriber>,
    next_id: u64,
}

/// A connected proxy.
struct Subscriber {
    connected: Connected,
    proxy: pilot_view::Proxy,
    protocol: Protocol,
    scope: ScopeKey,
    class: classes::ClassId,
    snapshots: watch::Sender<Arc<Snapshot>>,
}

impl Default for Publisher {
    fn default() -> Self {
        let state = State {
            mesh: Arc::default(),
            pool: Pool::default(),
            sequence: 0,
            scopes: HashMap::new(),
            classes: Classes::default(),
            nowhere: Layer::empty(),
            proxies: HashMap::new(),
            next_id: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }
}

impl Publisher {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while deriving leaves the state as it was before or after single resources: each is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes what `mesh` means, given what changed since the last one. Returns the sequence number of the publication,
    /// which proxies acknowledge.
    pub fn publish(&self, mesh: Arc<Mesh>, changes: &ChangeSet, since: Instant) -> u64 {
        let mut state = self.lock();
        state.publish(mesh, changes, since);
        state.sequence
    }

    /// How many scopes, classes and proxies there are.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        Counts {
            services: state.mesh.services().count(),
            virtual_services: state.mesh.virtual_services().count(),
            scopes: state.scopes.len(),
            classes: state.classes.len(),
            proxies: state.proxies.len(),
            encoded: state.pool.memo().stats().entries,
        }
    }

    /// Objects that have no effect somewhere because an older one is in their place.
    pub fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        let state = self.lock();
        let mut problems: BTreeMap<ObjectRef, Vec<Problem>> = BTreeMap::new();
        for scope in state.scopes.values() {
            for (key, object) in scope.conflicts() {
                let message = format!("connections to {}:{} go to an older service", key.address, key.port);
                let problem = Problem::warning(Reason::Conflict, "spec.ports", message)
                    .hint("give one of the two an address of its own, or another port");
                let known = problems.entry(object.clone()).or_default();
                if !known.contains(&problem) {
                    known.push(problem);
                }
            }
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
        for Subscriber { connected: _, proxy, protocol: _, scope, class: _, snapshots } in
            state.proxies.values()
        {
            let snapshot = snapshots.borrow().clone();
            let audience = audiences
                .entry(snapshot.layers.each_ref().map(|layer| layer.id()))
                .or_insert_with(|| Audience {
                    snapshot: snapshot.clone(),
                    sidecar: scope.sidecar.clone(),
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
        Some(found.snapshots.borrow().clone())
    }
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

/// How much the publisher keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub services: usize,
    pub virtual_services: usize,
    pub scopes: usize,
    pub classes: usize,
    pub proxies: usize,
    pub encoded: usize,
}

impl State {
    fn publish(&mut self, mesh: Arc<Mesh>, changes: &ChangeSet, since: Instant) {
        let old = std::mem::replace(&mut self.mesh, mesh);
        if changes.is_empty() {
            return;
        }
        self.sequence += 1;
        self.classify(&old, changes);
        if changes.everything {
            for scope in self.scopes.values_mut() {
                scope.derive_all(&self.mesh, &self.pool);
            }
        } else {
            let affected = affects::affected(&self.mesh, changes);
            for (key, scope) in &mut self.scopes {
                if changes.namespaces.contains(&key.namespace) {
                    scope.derive_all(&self.mesh, &self.pool);
                } else {
                    scope.derive(&self.mesh, &self.pool, &affected);
                }
            }
        }
        self.send(since);
    }

    /// Finds scope and class of the proxies that may have moved.
    fn classify(&mut self, old: &Mesh, changes: &ChangeSet) {
        let mut namespaces: BTreeSet<_> = changes.namespaces.iter().cloned().collect();
        for host in changes.hosts.iter().chain(&changes.endpoints) {
            for service in old.services_of_host(host).into_iter().chain(self.mesh.services_of_host(host)) {
                // Endpoints say where a workload is reached only if nothing else does.
                if changes.hosts.contains(host) || service.selector.is_none() {
                    namespaces.insert(service.namespace().clone());
                }
            }
        }
        let at: BTreeSet<IpAddr> = changes
            .workloads
            .iter()
            .flat_map(|object| [old.workload(object), self.mesh.workload(object)])
            .flatten()
            .flat_map(|workload| workload.addresses.iter().copied())
            .collect();
        let moved: Vec<u64> = self
            .proxies
            .iter()
            .filter(|(_, subscriber)| {
                changes.everything
                    || namespaces.contains(&subscriber.proxy.namespace)
                    || subscriber.connected.object().is_some_and(|object| changes.workloads.contains(object))
                    || subscriber.proxy.addresses.iter().any(|address| at.contains(address))
            })
            .map(|(id, _)| *id)
            .collect();
        for id in moved {
            let Some(mut subscriber) = self.proxies.remove(&id) else { continue };
            let proxy = subscriber.connected.proxy(&self.mesh);
            let (scope, class) = self.enter(&proxy, subscriber.protocol);
            let old_scope = std::mem::replace(&mut subscriber.scope, scope);
            let old_class = std::mem::replace(&mut subscriber.class, class);
            self.leave(&old_scope, old_class, subscriber.protocol);
            subscriber.proxy = proxy;
            self.proxies.insert(id, subscriber);
        }
    }

    /// Counts a proxy into its scope and class, making them when it is the first.
    fn enter(&mut self, proxy: &pilot_view::Proxy, protocol: Protocol) -> (ScopeKey, classes::ClassId) {
        let key = ScopeKey::of(&self.mesh, proxy);
        let scope = self
            .scopes
            .entry(key.clone())
            .or_insert_with(|| ScopeState::new(key.clone(), &self.mesh, &self.pool));
        scope.enter(protocol, &self.mesh, &self.pool);
        let class = self.classes.enter(pilot_view::inbound(&self.mesh, proxy), &self.pool);
        (key, class)
    }

    fn leave(&mut self, scope: &ScopeKey, class: classes::ClassId, protocol: Protocol) {
        if let Some(state) = self.scopes.get_mut(scope)
            && state.leave(protocol)
        {
            self.scopes.remove(scope);
        }
        self.classes.leave(class);
    }

    fn layers(&self, scope: &ScopeKey, class: classes::ClassId) -> Option<[&Arc<Layer>; LAYERS]> {
        Some([self.scopes.get(scope)?.layer(), &self.nowhere, self.classes.layer(class)?])
    }

    /// Hands every proxy whose layers changed its new snapshot. Proxies with the same layers share one.
    fn send(&self, since: Instant) {
        let mut made: HashMap<[u64; LAYERS], Arc<Snapshot>> = HashMap::new();
        for subscriber in self.proxies.values() {
            let Some(layers) = self.layers(&subscriber.scope, subscriber.class) else { continue };
            let current = subscriber
                .snapshots
                .borrow()
                .layers
                .iter()
                .zip(layers)
                .all(|(old, new)| old.id() == new.id());
            if !current {
                let snapshot = made
                    .entry(layers.map(|layer| layer.id()))
                    .or_insert_with(|| Snapshot::new(layers.map(Arc::clone), self.sequence, since));
                subscriber.snapshots.send_replace(snapshot.clone());
            }
        }
    }
}

impl Source for Publisher {
    async fn attach(&self, node: &Node, protocol: Protocol) -> Result<Attachment, Refusal> {
        let connected = Connected::from_node(node)?;
        let mut state = self.lock();
        let proxy = connected.proxy(&state.mesh);
        let (scope, class) = state.enter(&proxy, protocol);
        let id = state.next_id;
        state.next_id += 1;
        let layers = state.layers(&scope, class).map(|layers| layers.map(Arc::clone));
        let layers = layers.ok_or_else(|| Refusal::Unavailable("its configuration is gone".into()))?;
        let snapshot = Snapshot::new(layers, state.sequence, Instant::now());
        let (snapshots, class_receiver) = watch::channel(snapshot);
        let proxy_name = proxy.name.clone();
        state.proxies.insert(id, Subscriber { connected, proxy, protocol, scope, class, snapshots });
        drop(state);
        Ok(Attachment {
            proxy_name,
            class: class_receiver,
            resolver: Arc::new(Aliases { publisher: self.clone(), id }),
            guard: Box::new(Detach { publisher: self.clone(), id }),
        })
    }
}

/// Forgets a proxy when its stream ends.
struct Detach {
    publisher: Publisher,
    id: u64,
}

impl Drop for Detach {
    fn drop(&mut self) {
        let mut state = self.publisher.lock();
        if let Some(Subscriber { connected: _, proxy: _, protocol, scope, class, snapshots: _ }) =
            state.proxies.remove(&self.id)
        {
            state.leave(&scope, class, protocol);
        }
    }
}

/// Finds virtual hosts by the names that requests call them.
struct Aliases {
    publisher: Publisher,
    id: u64,
}

impl Resolve for Aliases {
    fn resolve(&self, kind: ResourceType, name: &str) -> Option<Arc<Resource>> {
        if kind != ResourceType::VirtualHost {
            return None;
        }
        let state = self.publisher.lock();
        let subscriber = state.proxies.get(&self.id)?;
        state.scopes.get(&subscriber.scope)?.virtual_host_for(name)
    }
}
