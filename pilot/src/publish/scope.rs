//! One scope: what each visible host contributes, the listeners that hosts share, and the layer made of both.

use super::{domains, pool::Pool};
use mesh_model::{Host, Mesh, ObjectRef, Str};
use pilot_envoy::inline_routes;
use pilot_view::{
    HostView, PortKey, PortUse, Scope, ScopeKey,
    affects::Affected,
    derive_endpoints, derive_host, hosts, placeholder, port_listener, route_configuration, scope_clusters,
    scope_listeners,
    spec::{ListenerSpec, NetworkSpec, RouteSource, VirtualHostSpec},
};
use pilot_xds::{
    layer::{Edit, Layer},
    resource::{Protocol, Resource, ResourceType},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// A scope in use.
pub struct ScopeState {
    key: ScopeKey,
    layer: Arc<Layer>,
    hosts: HashMap<Host, Contribution>,
    ports: BTreeMap<PortKey, BTreeMap<Host, Vec<PortUse>>>,
    /// Listeners that name each route configuration; a route configuration exists while there is one.
    listeners_of_route: BTreeMap<Str, BTreeSet<Str>>,
    /// The same, the other way round.
    routes_of_listener: HashMap<Str, BTreeSet<Str>>,
    /// The virtual hosts of each route configuration, whether it exists or not.
    virtual_hosts: BTreeMap<Str, BTreeMap<Str, Arc<VirtualHostSpec>>>,
    /// Services that an older one keeps from a port.
    lost: BTreeMap<PortKey, BTreeSet<ObjectRef>>,
    members: usize,
    /// Members that need virtual hosts inside route configurations.
    sotw_members: usize,
}

/// What a host contributed last time: the names to take away when it no longer does.
#[derive(Default)]
struct Contribution {
    clusters: Vec<Str>,
    endpoints: Vec<Str>,
    virtual_hosts: Vec<Arc<VirtualHostSpec>>,
    ports: Vec<PortKey>,
}

/// An update under way.
struct Update<'a> {
    pool: &'a Pool,
    edit: &'a mut Edit,
    dirty: Dirty,
}

/// What an update touched beyond the hosts themselves.
#[derive(Default)]
struct Dirty {
    ports: BTreeSet<PortKey>,
    routes: BTreeSet<Str>,
}

impl ScopeState {
    /// The scope `key` over `mesh`, all of it derived.
    pub fn new(key: ScopeKey, mesh: &Mesh, pool: &Pool) -> Self {
        let mut state = Self {
            key,
            layer: Layer::empty(),
            hosts: HashMap::new(),
            ports: BTreeMap::new(),
            listeners_of_route: BTreeMap::new(),
            routes_of_listener: HashMap::new(),
            virtual_hosts: BTreeMap::new(),
            lost: BTreeMap::new(),
            members: 0,
            sotw_members: 0,
        };
        state.derive_all(mesh, pool);
        state
    }

    /// What it serves.
    pub fn layer(&self) -> &Arc<Layer> {
        &self.layer
    }

    /// Counts a proxy in.
    pub fn enter(&mut self, protocol: Protocol, mesh: &Mesh, pool: &Pool) {
        self.members += 1;
        if protocol == Protocol::Sotw {
            self.sotw_members += 1;
            if self.sotw_members == 1 {
                let routes = self.listeners_of_route.keys().cloned().collect();
                self.rebuild(mesh, pool, |_, _, update| update.dirty.routes = routes);
            }
        }
    }

    /// Counts a proxy out; true when it was the last.
    pub fn leave(&mut self, protocol: Protocol) -> bool {
        self.members -= 1;
        if protocol == Protocol::Sotw {
            self.sotw_members -= 1;
        }
        self.members == 0
    }

    /// Derives everything; what comes out equal changes nothing.
    pub fn derive_all(&mut self, mesh: &Mesh, pool: &Pool) {
        self.rebuild(mesh, pool, |state, scope, update| {
            for spec in scope_clusters(scope) {
                update.edit.set(pool.get(&spec));
            }
            for spec in scope_listeners(scope) {
                state.set_listener(spec, update);
            }
            let visible = hosts(mesh);
            let gone: Vec<Host> =
                state.hosts.keys().filter(|host| !visible.contains(*host)).cloned().collect();
            for host in visible.iter().chain(&gone) {
                let view = derive_host(scope, host);
                state.set_host(host, view, update);
            }
            // Mesh settings shape listeners and route configurations too.
            update.dirty.ports.extend(state.ports.keys());
            update.dirty.routes.extend(state.listeners_of_route.keys().cloned());
        });
    }

    /// Derives what a change affects.
    pub fn derive(&mut self, mesh: &Mesh, pool: &Pool, affected: &Affected) {
        self.rebuild(mesh, pool, |state, scope, update| {
            for host in &affected.endpoints {
                for spec in derive_endpoints(scope, host) {
                    update.edit.set(pool.get(&spec));
                }
            }
            for host in &affected.hosts {
                let view = derive_host(scope, host);
                state.set_host(host, view, update);
            }
        });
    }

    /// Applies `change` to the layer, then puts shared listeners and route configurations together again where it asks for it.
    fn rebuild(
        &mut self,
        mesh: &Mesh,
        pool: &Pool,
        change: impl FnOnce(&mut Self, &Scope<'_>, &mut Update<'_>),
    ) {
        let key = self.key.clone();
        let scope = Scope::new(mesh, &key);
        self.layer = self.layer.clone().edit(|edit| {
            let mut update = Update { pool, edit, dirty: Dirty::default() };
            change(self, &scope, &mut update);
            for port in std::mem::take(&mut update.dirty.ports) {
                self.set_port(&scope, port, &mut update);
            }
            for route in std::mem::take(&mut update.dirty.routes) {
                self.set_route(&scope, &route, pool, update.edit);
            }
        });
    }

    fn set_host(&mut self, host: &Host, view: HostView, update: &mut Update<'_>) {
        let Update { pool, edit, dirty } = update;
        let HostView { clusters, endpoints, virtual_hosts, ports } = view;
        let old = self.hosts.remove(host).unwrap_or_default();
        let mut new = Contribution::default();
        let virtual_hosts: Vec<_> = virtual_hosts.into_iter().map(|spec| pool.share(spec)).collect();
        // The resources' own names: they are shared with all scopes that have the resource.
        for spec in clusters {
            let resource = pool.get(&spec);
            new.clusters.push(resource.name().clone());
            edit.set(resource);
        }
        for spec in endpoints {
            let resource = pool.get(&spec);
            new.endpoints.push(resource.name().clone());
            edit.set(resource);
        }
        for (kind, old, new) in [
            (ResourceType::Cluster, &old.clusters, &new.clusters),
            (ResourceType::Endpoints, &old.endpoints, &new.endpoints),
        ] {
            for name in old.iter().filter(|name| !new.contains(name)) {
                edit.remove(kind, name);
            }
        }
        if old.virtual_hosts != virtual_hosts {
            for spec in &old.virtual_hosts {
                if let Some(hosts) = self.virtual_hosts.get_mut(&spec.route_configuration) {
                    hosts.remove(&spec.name);
                }
                edit.remove(ResourceType::VirtualHost, &spec.resource_name());
                self.touch_route(spec, dirty);
            }
            for spec in &virtual_hosts {
                let hosts = self.virtual_hosts.entry(spec.route_configuration.clone()).or_default();
                hosts.insert(spec.name.clone(), spec.clone());
                if self.listeners_of_route.contains_key(&spec.route_configuration) && !is_inline(spec) {
                    edit.set(pool.get(&**spec));
                }
                self.touch_route(spec, dirty);
            }
        }
        new.virtual_hosts = virtual_hosts;
        let mut uses: BTreeMap<PortKey, Vec<PortUse>> = BTreeMap::new();
        for (key, port_use) in ports {
            uses.entry(key).or_default().push(port_use);
        }
        new.ports.extend(uses.keys());
        for key in old.ports.iter().filter(|key| !uses.contains_key(key)) {
            if let Some(hosts) = self.ports.get_mut(key) {
                hosts.remove(host);
            }
            dirty.ports.insert(*key);
        }
        for (key, uses) in uses {
            let hosts = self.ports.entry(key).or_default();
            if hosts.get(host) != Some(&uses) {
                hosts.insert(host.clone(), uses);
                dirty.ports.insert(key);
            }
        }
        if !(new.clusters.is_empty() && new.virtual_hosts.is_empty()) {
            self.hosts.insert(host.clone(), new);
        }
    }

    /// A virtual host that appears or vanishes changes its route configuration itself only when it is part of it.
    fn touch_route(&self, spec: &VirtualHostSpec, dirty: &mut Dirty) {
        let others = self.virtual_hosts.get(&spec.route_configuration).map_or(0, BTreeMap::len);
        if is_inline(spec) || self.sotw_members > 0 || others <= 1 {
            dirty.routes.insert(spec.route_configuration.clone());
        }
    }

    fn set_port(&mut self, scope: &Scope<'_>, key: PortKey, update: &mut Update<'_>) {
        let empty = BTreeMap::new();
        let uses = self.ports.get(&key).unwrap_or(&empty);
        let (listener, lost) = port_listener(scope, key, uses);
        let lost: BTreeSet<ObjectRef> = lost.into_iter().map(|metadata| metadata.object.clone()).collect();
        match lost.is_empty() {
            true => self.lost.remove(&key),
            false => self.lost.insert(key, lost),
        };
        if uses.is_empty() {
            self.ports.remove(&key);
        }
        match listener {
            Some(spec) => self.set_listener(spec, update),
            None => {
                let name = key.name();
                update.edit.remove(ResourceType::Listener, &name);
                self.link_routes(&name, BTreeSet::new(), &mut update.dirty);
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
        let routes: BTreeSet<Str> = routes.collect();
        self.link_routes(&spec.name, routes, &mut update.dirty);
        update.edit.set(update.pool.get(&spec));
    }

    /// Notes that `listener` names exactly `routes`; those that gained their first or lost their last listener are dirty.
    fn link_routes(&mut self, listener: &Str, routes: BTreeSet<Str>, dirty: &mut Dirty) {
        let old = match routes.is_empty() {
            true => self.routes_of_listener.remove(listener),
            false => self.routes_of_listener.insert(listener.clone(), routes.clone()),
        }
        .unwrap_or_default();
        for route in old.difference(&routes) {
            if let Some(listeners) = self.listeners_of_route.get_mut(route) {
                listeners.remove(listener);
                if listeners.is_empty() {
                    self.listeners_of_route.remove(route);
                    dirty.routes.insert(route.clone());
                }
            }
        }
        for route in routes.difference(&old) {
            let listeners = self.listeners_of_route.entry(route.clone()).or_default();
            if listeners.is_empty() {
                dirty.routes.insert(route.clone());
            }
            listeners.insert(listener.clone());
        }
    }

    fn set_route(&mut self, scope: &Scope<'_>, name: &Str, pool: &Pool, edit: &mut Edit) {
        let empty = BTreeMap::new();
        let hosts = self.virtual_hosts.get(name).unwrap_or(&empty);
        let placeholder = Arc::new(placeholder(name));
        if !self.listeners_of_route.contains_key(name) {
            edit.remove(ResourceType::Route, name);
            edit.remove(ResourceType::InlineRoute, name);
            for spec in hosts.values().chain([&placeholder]) {
                edit.remove(ResourceType::VirtualHost, &spec.resource_name());
            }
            return;
        }
        let inline: Vec<Arc<VirtualHostSpec>> =
            hosts.values().filter(|spec| is_inline(spec)).cloned().collect();
        let spec = route_configuration(scope, name, inline);
        let vhds = spec.vhds;
        let mut virtual_hosts: Vec<Arc<Resource>> =
            hosts.values().filter(|spec| !is_inline(spec)).map(|spec| pool.get(&**spec)).collect();
        if self.sotw_members > 0 {
            edit.set(inline_routes(&spec, &virtual_hosts));
        } else {
            edit.remove(ResourceType::InlineRoute, name);
        }
        if vhds && virtual_hosts.is_empty() {
            virtual_hosts.push(pool.get(&*placeholder));
        } else {
            edit.remove(ResourceType::VirtualHost, &placeholder.resource_name());
        }
        edit.set(pool.get(&spec));
        for resource in virtual_hosts {
            edit.set(resource);
        }
    }

    /// Services that take no connections on a port because an older one without address of its own does.
    pub fn conflicts(&self) -> impl Iterator<Item = (&PortKey, &ObjectRef)> {
        self.lost.iter().flat_map(|(key, objects)| objects.iter().map(move |object| (key, object)))
    }

    /// The virtual host that `<route configuration>/<authority>` means.
    pub fn virtual_host_for(&self, name: &str) -> Option<Arc<Resource>> {
        let (route, authority) = name.split_once('/')?;
        let spec = domains::virtual_host(self.virtual_hosts.get(route)?, authority)?;
        self.layer.get(ResourceType::VirtualHost, &spec.resource_name()).cloned()
    }
}

/// Whether a virtual host has to be part of its route configuration: Envoy takes `*` over VHDS only for a single host.
fn is_inline(spec: &VirtualHostSpec) -> bool {
    spec.domains.iter().any(|domain| &**domain == "*")
}
