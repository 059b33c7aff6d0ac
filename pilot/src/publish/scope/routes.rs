//! The route configurations of a scope, and the virtual hosts in each.
//!
//! In: virtual hosts, and which listeners name which route configurations. Out: the resources of both in the scope's layer: a route
//! configuration, and its virtual hosts, exist while a listener names it.

use crate::publish::{domains, pool::Pool};
use imbl::OrdMap;
use mesh_model::Str;
use pilot_envoy::inline_routes;
use pilot_view::{Scope, placeholder, route_configuration, spec::VirtualHostSpec};
use pilot_xds::{
    layer::Edit,
    resource::{Resource, ResourceType},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// The route configurations of a scope. Clones share what they have in common.
#[derive(Clone, Default)]
pub struct Routes {
    /// Listeners that name each route configuration; a route configuration exists while there is one.
    listeners: BTreeMap<Str, BTreeSet<Str>>,
    /// The same, the other way round.
    of_listener: HashMap<Str, BTreeSet<Str>>,
    /// The virtual hosts of each route configuration, whether it exists or not.
    virtual_hosts: BTreeMap<Str, OrdMap<Str, Arc<VirtualHostSpec>>>,
    /// Whether virtual hosts are needed inside route configurations, too.
    pub inline: bool,
}

impl Routes {
    /// The route configurations that exist.
    pub fn names(&self) -> impl Iterator<Item = &Str> {
        self.listeners.keys()
    }

    /// Notes that `listener` names exactly `routes`; those that gained their first or lost their last listener are dirty.
    pub fn link(&mut self, listener: &Str, routes: BTreeSet<Str>, dirty: &mut BTreeSet<Str>) {
        let old = match routes.is_empty() {
            true => self.of_listener.remove(listener),
            false => self.of_listener.insert(listener.clone(), routes.clone()),
        }
        .unwrap_or_default();
        for route in old.difference(&routes) {
            if let Some(listeners) = self.listeners.get_mut(route) {
                listeners.remove(listener);
                if listeners.is_empty() {
                    self.listeners.remove(route);
                    dirty.insert(route.clone());
                }
            }
        }
        for route in routes.difference(&old) {
            let listeners = self.listeners.entry(route.clone()).or_default();
            if listeners.is_empty() {
                dirty.insert(route.clone());
            }
            listeners.insert(listener.clone());
        }
    }

    /// Takes a virtual host away.
    pub fn remove(&mut self, spec: &VirtualHostSpec, edit: &mut Edit, dirty: &mut BTreeSet<Str>) {
        if let Some(hosts) = self.virtual_hosts.get_mut(&spec.route_configuration) {
            hosts.remove(&spec.name);
        }
        edit.remove(ResourceType::VirtualHost, &spec.resource_name());
        self.touch(spec, dirty);
    }

    /// Puts a virtual host in.
    pub fn insert(
        &mut self,
        spec: &Arc<VirtualHostSpec>,
        pool: &Pool,
        edit: &mut Edit,
        dirty: &mut BTreeSet<Str>,
    ) {
        let hosts = self.virtual_hosts.entry(spec.route_configuration.clone()).or_default();
        hosts.insert(spec.name.clone(), spec.clone());
        if self.listeners.contains_key(&spec.route_configuration) && !is_inline(spec) {
            edit.set(pool.get(&**spec));
        }
        self.touch(spec, dirty);
    }

    /// A virtual host that appears or vanishes changes its route configuration itself only when it is part of it.
    fn touch(&self, spec: &VirtualHostSpec, dirty: &mut BTreeSet<Str>) {
        let others = self.virtual_hosts.get(&spec.route_configuration).map_or(0, OrdMap::len);
        if is_inline(spec) || self.inline || others <= 1 {
            dirty.insert(spec.route_configuration.clone());
        }
    }

    /// Puts a route configuration together again, and its virtual hosts with it.
    pub fn rebuild(&self, scope: &Scope<'_>, name: &Str, pool: &Pool, edit: &mut Edit) {
        let empty = OrdMap::new();
        let hosts = self.virtual_hosts.get(name).unwrap_or(&empty);
        let placeholder = Arc::new(placeholder(name));
        if !self.listeners.contains_key(name) {
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
        if self.inline {
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

    /// The virtual host that takes requests for `authority` in a route configuration.
    pub fn virtual_host(&self, route: &str, authority: &str) -> Option<&Arc<VirtualHostSpec>> {
        domains::virtual_host(self.virtual_hosts.get(route)?, authority)
    }
}

/// Whether a virtual host has to be part of its route configuration: Envoy takes `*` over VHDS only for a single host.
fn is_inline(spec: &VirtualHostSpec) -> bool {
    spec.domains.iter().any(|domain| &**domain == "*")
}
