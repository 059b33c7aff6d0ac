//! The publisher's state: scopes, classes, and which proxies are in which.
//!
//! In: meshes with what changed, proxies that come and go. Out: new snapshots for proxies whose layers changed.

use super::{
    classes::{ClassId, Classes},
    credentials::{Clearance, Credentials},
    pool::Pool,
    scope::ScopeState,
    turns::{Turn, Turns},
};
use crate::{
    proxy::{Connected, Takes},
    readers::Readers,
};
use mesh_model::{ChangeSet, Mesh};
use pilot_ingest::defect::guard;
use pilot_view::{Place, ScopeKey, Standing, affects, is_replica};
use pilot_xds::{
    latest,
    layer::Layer,
    snapshot::{LAYERS, Snapshot},
    source::Proven,
};
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
    time::Instant,
};

/// All that is published, and to whom.
#[derive(Default)]
pub struct State {
    pub mesh: Arc<Mesh>,
    pub pool: Pool,
    pub sequence: u64,
    /// How many snapshots have been handed to proxies.
    pub handed: u64,
    pub scopes: HashMap<Arc<ScopeKey>, ScopeState>,
    pub classes: Classes,
    pub credentials: Credentials,
    pub readers: Arc<Readers>,
    pub proxies: HashMap<u64, Box<Subscriber>>,
    pub next_id: u64,
    /// The last change came to no end.
    pub is_torn: bool,
}

/// A connected proxy.
pub struct Subscriber {
    pub connected: Connected,
    pub proxy: pilot_view::Proxy,
    pub takes: Takes,
    pub home: Home,
    /// Who it has proven to be; `None`: it has not, so that it is taken at its word.
    pub proven: Option<Proven>,
    pub snapshots: latest::Sender,
}

/// Where a proxy has its configuration from.
pub struct Home {
    pub scope: Arc<ScopeKey>,
    pub place: Arc<Place>,
    pub class: ClassId,
    pub standing: Standing,
}

impl State {
    /// Derives what a change affects. Returns who is to hear of it when. A panic beside what single scopes and proxies have of their own
    /// leaves to the next change to derive everything.
    pub fn derive(&mut self, mesh: Arc<Mesh>, changes: &ChangeSet) -> Turns {
        let again = std::mem::take(&mut self.is_torn);
        let all = again.then(|| ChangeSet { everything: true, ..changes.clone() });
        let changes = all.as_ref().unwrap_or(changes);
        guard(|| self.derive_changes(mesh, changes)).unwrap_or_else(|defect| {
            tracing::error!(%defect, "publishing");
            self.is_torn = true;
            Turns::default()
        })
    }

    fn derive_changes(&mut self, mesh: Arc<Mesh>, changes: &ChangeSet) -> Turns {
        let old = std::mem::replace(&mut self.mesh, mesh);
        if changes.is_empty() {
            return Turns::default();
        }
        self.classify(&old, changes);
        self.credentials.follow(&self.mesh, changes, &self.pool);
        self.forget_vacant();
        let affected = (!changes.everything).then(|| affects::affected(&self.mesh, changes));
        for (key, scope) in &mut self.scopes {
            let affected = affected.as_ref().filter(|_| !changes.namespaces.contains(&key.namespace));
            scope.follow(&self.mesh, &self.pool, affected);
        }
        Turns::new(&old, self, changes)
    }

    /// Forgets what nobody is in. Until a change would have it derived again it is kept: proxies whose connections were cut all come
    /// back at once.
    fn forget_vacant(&mut self) {
        self.scopes.retain(|_, scope| !scope.is_vacant());
        self.scopes.values_mut().for_each(ScopeState::forget_vacant);
        self.classes.forget_vacant();
    }

    /// Finds scope and class of the proxies that may have moved.
    fn classify(&mut self, old: &Mesh, changes: &ChangeSet) {
        let mut namespaces: BTreeSet<_> = changes.namespaces.iter().cloned().collect();
        // Rules about many hosts are rules for each of their workloads.
        for wildcard in changes.served.iter().filter(|host| host.is_wildcard()) {
            let covered = self.mesh.services().filter(|service| wildcard.covers(&service.host));
            namespaces.extend(covered.map(|service| service.namespace().clone()));
        }
        for host in changes.served.iter().chain(&changes.endpoints) {
            for service in old.services_of_host(host).into_iter().chain(self.mesh.services_of_host(host)) {
                // Endpoints say where a workload is reached only if nothing else does.
                if changes.served.contains(host) || service.selector.is_none() {
                    namespaces.insert(service.namespace().clone());
                }
            }
        }
        let root = [old, &*self.mesh].map(|mesh| mesh.config().root_namespace.clone());
        let all = root.iter().any(|root| changes.peers.contains(root));
        namespaces.extend(changes.peers.iter().cloned());
        let workloads = || {
            let versions = |object| [old.workload(object), self.mesh.workload(object)];
            changes.workloads.iter().flat_map(versions).flatten()
        };
        let at: BTreeSet<IpAddr> =
            workloads().flat_map(|workload| workload.addresses.iter().copied()).collect();
        let asks_for_replicas = |proxy: &pilot_view::Proxy| {
            proxy.self_discovery && workloads().any(|workload| is_replica(proxy, workload))
        };
        let moved: Vec<u64> = self
            .proxies
            .iter()
            .filter(|(_, subscriber)| {
                changes.everything
                    || all
                    || namespaces.contains(&subscriber.proxy.namespace)
                    || subscriber.connected.object().is_some_and(|object| changes.workloads.contains(object))
                    || subscriber.proxy.addresses.iter().any(|address| at.contains(address))
                    || asks_for_replicas(&subscriber.proxy)
            })
            .map(|(id, _)| *id)
            .collect();
        for id in moved {
            let Some(mut subscriber) = self.proxies.remove(&id) else { continue };
            let entered = guard(|| {
                let proxy = subscriber.connected.proxy(&self.mesh);
                let home = self.enter(&proxy, subscriber.takes);
                (proxy, home)
            });
            match entered {
                Ok((proxy, home)) => {
                    let before = std::mem::replace(&mut subscriber.home, home);
                    self.leave(&before, subscriber.takes);
                    subscriber.proxy = proxy;
                }
                // It keeps what it has. Its scope may count it twice, and stay when all have gone: that is all.
                Err(defect) => {
                    tracing::error!(proxy = %subscriber.proxy.name, %defect, "it stays where it was")
                }
            }
            self.proxies.insert(id, subscriber);
        }
    }

    /// Counts a proxy into its scope, place and class, making them when it is the first.
    pub fn enter(&mut self, proxy: &pilot_view::Proxy, takes: Takes) -> Home {
        let (scope, place) = (ScopeKey::of(&self.mesh, proxy), Place::of(&self.mesh, proxy));
        // There are fewer scopes than proxies: all have the same key.
        let (scope, split) = match self.scopes.get_key_value(&scope) {
            Some((key, _)) => (key.clone(), None),
            None => {
                let kin = self.scopes.values().find(|state| state.resembles(&scope));
                let split = kin.map(|kin| kin.split(scope.clone(), &self.mesh, &self.pool));
                (Arc::new(scope), split)
            }
        };
        let begin = || ScopeState::new(ScopeKey::clone(&scope), &self.mesh, &self.pool);
        let state = self.scopes.entry(scope.clone()).or_insert_with(|| split.unwrap_or_else(begin));
        let place = state.enter(&place, takes, &self.mesh, &self.pool);
        let inbound = pilot_view::inbound(&self.mesh, proxy);
        let class = self.classes.enter(&inbound, &self.pool);
        Home { scope, place, class, standing: inbound.standing }
    }

    /// Counts a proxy out.
    pub fn leave(&mut self, home: &Home, takes: Takes) {
        let Home { scope, place, class, standing: _ } = home;
        if let Some(state) = self.scopes.get_mut(scope) {
            state.leave(place, takes);
        }
        self.classes.leave(*class);
    }

    /// What of its namespace's secrets a proxy may have.
    pub fn clearance(&self, proven: Option<&Proven>) -> Clearance {
        match proven {
            None => Clearance::None,
            Some(account) if self.readers.may_read(account) => Clearance::Keys,
            Some(_) => Clearance::Authorities,
        }
    }

    /// Hands out, or no longer, what proxies may have by what has been learned of them.
    pub fn reconsider(&mut self) {
        self.send(Instant::now(), &Turns::default(), Turn::All);
    }

    /// What proxies of this home are to have.
    pub fn layers(
        &self,
        home: &Home,
        takes: Takes,
        proven: Option<&Proven>,
    ) -> Option<[&Arc<Layer>; LAYERS]> {
        self.all_layers(self.shared_layers(home, takes)?, home, proven)
    }

    /// Those that it has in common with all in its scope and place.
    fn shared_layers(&self, home: &Home, takes: Takes) -> Option<[&Arc<Layer>; 3]> {
        let Home { scope, place, class: _, standing: _ } = home;
        self.scopes.get(scope)?.layers(place, takes.names)
    }

    /// These, and its own.
    fn all_layers<'a>(
        &'a self,
        [scope, place, names]: [&'a Arc<Layer>; 3],
        home: &Home,
        proven: Option<&Proven>,
    ) -> Option<[&'a Arc<Layer>; LAYERS]> {
        let secrets = match proven {
            // Only then does it matter who it is.
            Some(account) if self.credentials.has(&account.namespace) => {
                self.credentials.layer(&account.namespace, self.clearance(proven))
            }
            Some(_) | None => self.credentials.public(),
        };
        Some([scope, place, names, secrets, self.classes.layer(home.class)?])
    }

    /// Hands every proxy whose layers changed its new snapshot, as far as it is its turn. Proxies with the same layers share one.
    pub fn send(&mut self, since: Instant, turns: &Turns, turn: Turn) {
        self.sequence += 1;
        // Thousands of proxies have few scopes and places, which are told apart by where they are: to look one up takes longer.
        let mut shared = HashMap::new();
        let mut made: HashMap<[*const Layer; LAYERS], Arc<Snapshot>> =
            HashMap::with_capacity(self.proxies.len());
        let mut handed = 0;
        for (id, subscriber) in &self.proxies {
            let Subscriber { connected: _, proxy: _, takes, home, proven, snapshots } = &**subscriber;
            let key = (Arc::as_ptr(&home.scope), Arc::as_ptr(&home.place), takes.names);
            let shared = shared.entry(key).or_insert_with(|| self.shared_layers(home, *takes));
            let Some(layers) = shared.and_then(|shared| self.all_layers(shared, home, proven.as_ref()))
            else {
                continue;
            };
            let newest = snapshots.newest();
            let layers = turns.layers(turn, *id, &newest, layers);
            if !newest.has_layers(layers) {
                let snapshot = made
                    .entry(layers.map(Arc::as_ptr))
                    .or_insert_with(|| Snapshot::new(layers.map(Arc::clone), self.sequence, since));
                snapshots.set(snapshot.clone());
                handed += 1;
            }
        }
        self.handed += handed;
    }
}
