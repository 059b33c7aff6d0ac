//! One scope: what each visible host contributes, the listeners that hosts share, and the layers made of both.
//!
//! In: which hosts a change affects. Out: the layer that all clients of the scope have (clusters, listeners, routes), and one for each
//! place where they run (`places`: endpoints). Names that go are known from what the host contributed before.

mod names;
mod places;
mod ports;
mod routes;
mod split;
mod whole;

use super::pool::Pool;
use crate::proxy::{NameForm, Takes};
use mesh_model::{Host, Mesh, ObjectRef, OutboundPolicy, Problem, Str};
use names::Names;
use pilot_view::{
    Capture, HostView, ListenerKey, Place, PortUse, Scope, ScopeKey,
    affects::Affected,
    hosts, port_listener, scope_clusters, scope_listeners,
    spec::{ListenerSpec, NetworkSpec, RouteSource, VirtualHostSpec},
    virtual_outbound,
};
use pilot_xds::{
    layer::{Edit, Layer},
    resource::{Protocol, Resource, ResourceType},
};
use places::{Places, Stale};
use ports::Ports;
use routes::Routes;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
pub use whole::objects_of;

/// A scope in use.
pub struct ScopeState {
    key: ScopeKey,
    layer: Arc<Layer>,
    places: Places,
    names: Names,
    hosts: imbl::HashMap<Host, Arc<Contribution>>,
    ports: Ports,
    routes: Routes,
    /// Clusters that it has whatever its hosts are.
    own_clusters: BTreeSet<Str>,
    /// The same for listeners.
    own_listeners: BTreeSet<Str>,
    members: usize,
    /// Members that need virtual hosts inside route configurations.
    sotw_members: usize,
    /// Hosts of which nothing could be made, because Meltemi is wrong.
    defects: BTreeMap<Host, Problem>,
    /// Deriving it came to no end: the layer is an older one, and the rest is half-done.
    is_torn: bool,
}

/// What a host contributed last time: the names to take away when it no longer does.
#[derive(Default, PartialEq)]
struct Contribution {
    clusters: Box<[Str]>,
    /// Those that places have, because their endpoints are part of them.
    placed: Box<[Str]>,
    virtual_hosts: Box<[Arc<VirtualHostSpec>]>,
    ports: Box<[ListenerKey]>,
}

impl Contribution {
    fn is_empty(&self) -> bool {
        let Self { clusters, placed, virtual_hosts, ports: _ } = self;
        clusters.is_empty() && placed.is_empty() && virtual_hosts.is_empty()
    }
}

/// An update under way.
struct Update<'a> {
    pool: &'a Pool,
    edit: &'a mut Edit,
    dirty: Dirty,
    /// What places have to derive again.
    stale: Vec<Stale>,
}

/// What an update touched beyond the hosts themselves.
#[derive(Default)]
struct Dirty {
    ports: BTreeSet<ListenerKey>,
    routes: BTreeSet<Str>,
}

impl ScopeState {
    /// What it serves to clients in `place`: everywhere the same, there, and names in the form that they take.
    pub fn layers(&self, place: &Place, names: NameForm) -> Option<[&Arc<Layer>; 3]> {
        Some([&self.layer, self.places.layer(place)?, self.names.layer(names)])
    }

    /// How many places its clients are in.
    pub fn places(&self) -> usize {
        self.places.count()
    }

    /// What depends on the place, for each that its clients are in.
    pub fn place_layers(&self) -> impl Iterator<Item = &Arc<Layer>> {
        self.places.layers()
    }

    /// Counts a proxy in, and returns its place as all there have it.
    pub fn enter(&mut self, place: &Place, takes: Takes, mesh: &Mesh, pool: &Pool) -> Arc<Place> {
        let Takes { protocol, names } = takes;
        self.members += 1;
        let key = self.key.clone();
        let scope = Scope::new(mesh, &key);
        let place = self.places.enter(place, &scope, self.hosts.keys(), pool);
        self.names.enter(names, &scope, pool);
        if protocol == Protocol::Sotw {
            self.sotw_members += 1;
            self.routes.inline = true;
            if self.sotw_members == 1 {
                let routes = self.routes.names().cloned().collect();
                self.rebuild(mesh, pool, |_, _, update| update.dirty.routes = routes);
            }
        }
        place
    }

    /// Counts a proxy out.
    pub fn leave(&mut self, place: &Place, takes: Takes) {
        let Takes { protocol, names } = takes;
        self.members -= 1;
        self.places.leave(place);
        self.names.leave(names);
        if protocol == Protocol::Sotw {
            self.sotw_members -= 1;
            self.routes.inline = self.sotw_members > 0;
        }
    }

    /// Whether nobody is in it.
    pub fn is_vacant(&self) -> bool {
        self.members == 0
    }

    /// Forgets the places that nobody is in.
    pub fn forget_vacant(&mut self) {
        self.places.forget_vacant();
    }

    /// Derives everything; what comes out equal changes nothing.
    pub fn derive_all(&mut self, mesh: &Mesh, pool: &Pool) {
        let stale = self.rebuild(mesh, pool, |state, scope, update| {
            let clusters = scope_clusters(scope);
            let names = clusters.iter().map(|spec| spec.name.clone()).collect();
            for gone in std::mem::replace(&mut state.own_clusters, names) {
                if !state.own_clusters.contains(&gone) {
                    update.edit.remove(ResourceType::Cluster, &gone);
                }
            }
            for spec in clusters {
                update.edit.set(pool.get(&spec));
            }
            let listeners = scope_listeners(scope, &state.ports.numbers());
            let names = listeners.iter().map(|spec| spec.name.clone()).collect();
            for gone in std::mem::replace(&mut state.own_listeners, names) {
                if !state.own_listeners.contains(&gone) {
                    update.edit.remove(ResourceType::Listener, &gone);
                    state.routes.link(&gone, BTreeSet::new(), &mut update.dirty.routes);
                }
            }
            for spec in listeners {
                state.set_listener(spec, update);
            }
            let visible = hosts(mesh);
            let gone: Vec<Host> =
                state.hosts.keys().filter(|host| !visible.contains(*host)).cloned().collect();
            for host in visible.iter().chain(&gone) {
                if let Some(view) = state.view(scope, host) {
                    state.set_host(host, view, update);
                }
            }
            let gone = state.names.gone(&visible);
            state.names.derive(scope, visible.iter().chain(&gone), pool);
            // Mesh settings shape listeners and route configurations too.
            update.dirty.ports.extend(state.ports.keys());
            update.dirty.routes.extend(state.routes.names().cloned());
        });
        self.derive_places(mesh, pool, &stale, &BTreeSet::new());
    }

    /// Derives what a change affects.
    pub fn derive(&mut self, mesh: &Mesh, pool: &Pool, affected: &Affected) {
        let Affected { hosts, endpoints } = affected;
        let stale = self.rebuild(mesh, pool, |state, scope, update| {
            for host in hosts {
                if let Some(view) = state.view(scope, host) {
                    state.set_host(host, view, update);
                }
            }
            state.names.derive(scope, hosts.iter(), pool);
        });
        self.derive_places(mesh, pool, &stale, endpoints);
    }

    fn derive_places(&mut self, mesh: &Mesh, pool: &Pool, stale: &[Stale], endpoints: &BTreeSet<Host>) {
        self.places.derive(&Scope::new(mesh, &self.key), stale, endpoints, pool);
    }

    /// Applies `change` to the layer, then puts shared listeners and route configurations together again where it asks for it.
    fn rebuild(
        &mut self,
        mesh: &Mesh,
        pool: &Pool,
        change: impl FnOnce(&mut Self, &Scope<'_>, &mut Update<'_>),
    ) -> Vec<Stale> {
        let key = self.key.clone();
        let scope = Scope::new(mesh, &key);
        let mut stale = Vec::new();
        self.layer = self.layer.clone().edit(|edit| {
            let mut update = Update { pool, edit, dirty: Dirty::default(), stale: Vec::new() };
            change(self, &scope, &mut update);
            #[cfg(test)]
            super::tests::spring(&Host::new("ports"));
            let ports = std::mem::take(&mut update.dirty.ports);
            // Where requests to nobody's ports go by their names, it matters which ports these are.
            let by_name = scope.outbound_policy() == OutboundPolicy::AllowAnyDynamicDns;
            if by_name && !ports.is_empty() && scope.key.capture == Capture::Redirect {
                self.set_listener(virtual_outbound(&scope, &self.ports.numbers()), &mut update);
            }
            for port in ports {
                self.set_port(&scope, port, &mut update);
            }
            for route in std::mem::take(&mut update.dirty.routes) {
                self.routes.rebuild(&scope, &route, pool, update.edit);
            }
            stale = update.stale;
        });
        stale
    }

    fn set_host(&mut self, host: &Host, view: HostView, update: &mut Update<'_>) {
        let Update { pool, edit, dirty, stale } = update;
        let HostView { clusters, placed, virtual_hosts, ports } = view;
        let old = self.hosts.get(host).cloned().unwrap_or_default();
        // The resources' own names: they are shared with all scopes that have the resource.
        let set = |spec| {
            let resource = pool.get(&spec);
            let name = resource.name().clone();
            edit.set(resource);
            name
        };
        let clusters: Box<[Str]> = clusters.into_iter().map(set).collect();
        for name in old.clusters.iter().filter(|name| !clusters.contains(name)) {
            edit.remove(ResourceType::Cluster, name);
        }
        let names = old.clusters.iter().chain(&old.placed).cloned().collect();
        stale.push(Stale { host: host.clone(), clusters: names });
        let virtual_hosts: Box<[_]> = virtual_hosts.into_iter().map(|spec| pool.virtual_host(spec)).collect();
        if old.virtual_hosts != virtual_hosts {
            for spec in &old.virtual_hosts {
                self.routes.remove(spec, edit, &mut dirty.routes);
            }
            for spec in &virtual_hosts {
                self.routes.insert(spec, pool, edit, &mut dirty.routes);
            }
        }
        let mut uses: BTreeMap<ListenerKey, Vec<PortUse>> = BTreeMap::new();
        for (key, port_use) in ports {
            uses.entry(key).or_default().push(port_use);
        }
        let ports = uses.keys().cloned().collect();
        for key in old.ports.iter().filter(|key| !uses.contains_key(key)) {
            self.ports.remove(key, host);
            dirty.ports.insert(key.clone());
        }
        for (key, uses) in uses {
            if self.ports.set(key.clone(), host, pool.port_uses(uses)) {
                dirty.ports.insert(key);
            }
        }
        let new = Contribution { clusters, placed: placed.into(), virtual_hosts, ports };
        if new.is_empty() {
            self.hosts.remove(host);
        } else if new != *old {
            self.hosts.insert(host.clone(), Arc::new(new));
        }
    }

    fn set_port(&mut self, scope: &Scope<'_>, key: ListenerKey, update: &mut Update<'_>) {
        let (listener, lost) = port_listener(scope, &key, self.ports.of(&key));
        let lost = lost.into_iter().map(|metadata| metadata.object.clone()).collect();
        self.ports.set_lost(&key, lost);
        match listener {
            Some(spec) => self.set_listener(spec, update),
            None => {
                let name = key.name();
                update.edit.remove(ResourceType::Listener, &name);
                self.routes.link(&name, BTreeSet::new(), &mut update.dirty.routes);
            }
        }
    }

    fn set_listener(&mut self, spec: ListenerSpec, update: &mut Update<'_>) {
        let chains = spec.chains.iter().chain(&spec.default_chain);
        let routes = chains.filter_map(|chain| match &chain.network {
            NetworkSpec::Http(http) => match &http.routes {
                RouteSource::Rds(name) => Some(name.clone()),
                RouteSource::Inline(_) => None,
            },
            NetworkSpec::Tcp(_) => None,
        });
        self.routes.link(&spec.name, routes.collect(), &mut update.dirty.routes);
        update.edit.set(update.pool.get(&spec));
    }

    /// Services that take no connections on a port because an older one without address of its own does.
    pub fn conflicts(&self) -> impl Iterator<Item = (&ListenerKey, &ObjectRef)> {
        self.ports.lost()
    }

    /// The virtual host that `<route configuration>/<authority>` means.
    pub fn virtual_host_for(&self, name: &str) -> Option<Arc<Resource>> {
        let (route, authority) = name.split_once('/')?;
        let spec = self.routes.virtual_host(route, authority)?;
        self.layer.get(ResourceType::VirtualHost, &spec.resource_name()).cloned()
    }
}
