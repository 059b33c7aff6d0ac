//! Problems that only the whole mesh shows: names that nothing answers to, and objects that claim the same thing.
//!
//! In: the mesh, and where in their objects the destinations stand. Out: problems by object. Pure; looks at each reference once.

mod claims;
mod connection;
mod destination;
mod peers;
mod ports;
mod routes;
mod selection;

use crate::nearest::nearest;
use mesh_model::{Destination, DestinationRule, Host, Mesh, ObjectRef, Problem, Service, VirtualService};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// A destination as its author wrote it. The model has lost where that was: parts that cannot be used are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands, such as `spec.http[0].route[1].destination`.
    pub path: String,
    /// What it refers to.
    pub to: Destination,
}

/// Problems by object, each list in the order of the object.
pub fn references<'a>(
    mesh: &Mesh,
    destinations: impl Iterator<Item = (&'a ObjectRef, &'a [Reference])>,
) -> BTreeMap<ObjectRef, Vec<Problem>> {
    let mut found = Found::default();
    let index = Index::new(mesh);
    for (object, references) in destinations {
        for reference in references {
            index.check_destination(object, reference, &mut found);
        }
    }
    index.check_contested_hosts(&mut found);
    for value in mesh.virtual_services() {
        index.check_connection_routes(value, &mut found);
        index.check_matches(value, &mut found);
        index.check_aliased_hosts(value, &mut found);
    }
    for value in mesh.destination_rules() {
        index.check_destination_rule(value, &mut found);
    }
    for value in mesh.sidecars() {
        index.check_sidecar(value, &mut found);
    }
    claims::check_default_sidecars(mesh, &mut found);
    claims::check_selecting_sidecars(mesh, &mut found);
    claims::check_selecting_rules(mesh, &mut found);
    peers::check_peer_authentications(mesh, &mut found);
    peers::check_given_tls(mesh, &mut found);
    ports::check_protocols(mesh, &mut found);
    ports::check_addresses(mesh, &mut found);
    ports::check_shared_workloads(mesh, &mut found);
    selection::check_selectors(mesh, &mut found);
    found.0
}

#[derive(Default)]
struct Found(BTreeMap<ObjectRef, Vec<Problem>>);

impl Found {
    fn add(&mut self, object: &ObjectRef, problem: Problem) {
        self.0.entry(object.clone()).or_default().push(problem);
    }
}

/// The mesh, with wildcards at hand: all other look-ups it answers itself.
struct Index<'a> {
    mesh: &'a Mesh,
    wildcard_services: Vec<&'a Arc<Service>>,
    wildcard_rules: Vec<&'a Arc<DestinationRule>>,
    by_name: HashMap<&'a ObjectRef, &'a Arc<VirtualService>>,
}

impl<'a> Index<'a> {
    fn new(mesh: &'a Mesh) -> Self {
        Self {
            mesh,
            wildcard_services: mesh.services().filter(|service| service.host.is_wildcard()).collect(),
            wildcard_rules: mesh.destination_rules().filter(|rule| rule.host.is_wildcard()).collect(),
            by_name: mesh.virtual_services().map(|value| (&value.metadata.object, value)).collect(),
        }
    }

    /// Services that `namespace` sees under exactly `host`, or under a wildcard that covers it.
    fn visible(&self, host: &Host, namespace: &str) -> Vec<&'a Arc<Service>> {
        let mut services = self.mesh.services_of_host(host);
        services.extend(self.wildcard_services.iter().copied().filter(|service| service.host.covers(host)));
        services.retain(|service| service.export_to.includes(namespace));
        services
    }

    /// The services that a route to `host` from `namespace` means: of another name, what it leads to.
    fn meant(&self, host: &Host, namespace: &str) -> Vec<&'a Arc<Service>> {
        let mut services = self.visible(host, namespace);
        // A circle of names leads nowhere.
        for _ in 0..8 {
            let Some(target) = services.iter().find_map(|service| service.alias_of()) else {
                return services;
            };
            services = self.visible(target, namespace);
        }
        Vec::new()
    }

    fn rules(&self, host: &Host) -> Vec<&'a Arc<DestinationRule>> {
        let mut rules = self.mesh.destination_rules_of_host(host);
        rules.extend(self.wildcard_rules.iter().copied().filter(|rule| rule.host.covers(host)));
        rules
    }

    /// A service of the same name in another namespace, which is what a forgotten namespace looks like, or one of a similar name in
    /// this one.
    fn namesake(&self, host: &Host, namespace: &str) -> Option<Host> {
        let domain = &self.mesh.config().domain;
        let own = format!(".{namespace}.svc.{domain}");
        let name = host.as_str().strip_suffix(own.as_str())?;
        let suffix = format!(".svc.{domain}");
        let prefix = format!("{name}.");
        // Services are in order of their hosts, but this only happens when something is wrong.
        let elsewhere = self
            .mesh
            .services()
            .map(|service| &service.host)
            .find(|other| other.as_str().starts_with(&prefix) && other.as_str().ends_with(&suffix));
        elsewhere.cloned().or_else(|| self.misspelt(host, namespace))
    }

    fn misspelt(&self, host: &Host, namespace: &str) -> Option<Host> {
        let names: Vec<&str> =
            self.mesh.services_of_namespace(namespace).map(|service| service.host.as_str()).collect();
        // The domain is most of the letters, and nobody misspells that.
        let name = host.as_str().split('.').next()?;
        let near = nearest(name, names.iter().filter_map(|name| name.split('.').next()))?;
        let near = names.into_iter().find(|name| name.split('.').next() == Some(near))?;
        Some(Host::new(near))
    }
}
