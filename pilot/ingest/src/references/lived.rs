//! All checks, and what each found, as the mesh changes: a check is made again when something that it looked at differs.
//!
//! In: the mesh, and what objects refer to. Out: problems by object, and the objects whose problems may be others. The work is that of what
//! changed, however big the mesh is.

use super::{
    Found,
    indexes::{Indexes, claims_of, places_of},
    scope::{Read, Scope},
    unit::Unit,
};
use crate::report::{Snapshot, differing};
use mesh_model::{EndpointAddress, Host, Mesh, ObjectRef, Problem, ServiceEndpoints, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// What all checks have found.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    indexes: Indexes,
    /// What a check looked at, where that does not follow from what it is about.
    reads: HashMap<Unit, BTreeSet<Read>>,
    readers: BTreeMap<Read, BTreeSet<Unit>>,
    /// The objects that a check found something about.
    told: HashMap<Unit, BTreeSet<ObjectRef>>,
    found: BTreeMap<ObjectRef, BTreeMap<Unit, Vec<Problem>>>,
}

impl Checks {
    /// What is wrong with `object` as part of the mesh.
    pub(crate) fn of(&self, object: &ObjectRef) -> impl Iterator<Item = &Problem> {
        self.found.get(object).into_iter().flat_map(BTreeMap::values).flatten()
    }

    /// Looks at what differs from `before`, which was looked at last, in `now`; gives the objects about which something else may be said.
    /// Which namespaces are hidden must not differ.
    pub(crate) fn follow(&mut self, before: &Snapshot, now: &Snapshot) -> BTreeSet<ObjectRef> {
        let mut touched = BTreeSet::new();
        let nothing = Snapshot::default();
        let mut before = before;
        if now.mesh.config() != before.mesh.config() {
            touched.extend(std::mem::take(self).found.into_keys());
            before = &nothing;
        }
        self.indexes.follow(&before.mesh, &now.mesh);
        let mut units = BTreeSet::new();
        let mut reads = BTreeSet::new();
        self.services_changed(&before.mesh, &now.mesh, &mut units, &mut reads);
        self.objects_changed(&before.mesh, &now.mesh, &mut units, &mut reads);
        units.extend(differing(&before.references, &now.references).cloned().map(Unit::References));
        units.extend(reads.iter().filter_map(|read| self.readers.get(read)).flatten().cloned());
        for unit in units {
            self.check(unit, now, &mut touched);
        }
        touched
    }

    fn services_changed(
        &self,
        before: &Mesh,
        now: &Mesh,
        units: &mut BTreeSet<Unit>,
        reads: &mut BTreeSet<Read>,
    ) {
        for (key, versions) in now.changed_services(before) {
            let claims = versions.into_iter().flatten().flat_map(|service| claims_of(service));
            units.extend(claims.map(|(address, port)| Unit::Claims(address, port)));
            reads.extend([
                Read::Services(key.host.clone()),
                Read::ServicesOf(key.namespace.clone()),
                Read::AllServices,
            ]);
            if key.host.is_wildcard() {
                reads.extend(self.covered(&key.host));
            }
            let endpoints = now.service(key).and_then(|service| now.endpoints(service));
            self.service_changed(key, endpoints, units);
            units.extend(networks_of(key, endpoints, now));
        }
        for (key, versions) in now.changed_endpoints(before) {
            reads.insert(Read::Endpoints(key.host.clone()));
            self.service_changed(key, versions.into_iter().flatten(), units);
            units.extend(networks_of(key, versions[1], now));
        }
    }

    /// It is to be looked at, and so are those that lead to the same workloads: they are compared with it.
    fn service_changed<'a>(
        &self,
        key: &ServiceKey,
        endpoints: impl IntoIterator<Item = &'a Arc<ServiceEndpoints>>,
        units: &mut BTreeSet<Unit>,
    ) {
        units.insert(Unit::Service(key.clone()));
        for (address, port) in endpoints.into_iter().flat_map(|endpoints| places_of(endpoints)) {
            units.extend(self.indexes.sharers(address, port).cloned().map(Unit::Service));
        }
    }

    fn objects_changed(
        &self,
        before: &Mesh,
        mesh: &Mesh,
        units: &mut BTreeSet<Unit>,
        reads: &mut BTreeSet<Read>,
    ) {
        for (name, versions) in mesh.changed_virtual_services(before) {
            units.insert(Unit::VirtualService(name.clone()));
            reads.insert(Read::VirtualService(name.clone()));
            let hosts = versions.into_iter().flatten().flat_map(|value| &value.hosts);
            units.extend(hosts.cloned().map(Unit::Contested));
        }
        for (name, versions) in mesh.changed_destination_rules(before) {
            units.insert(Unit::DestinationRule(name.clone()));
            for rule in versions.into_iter().flatten() {
                units.insert(Unit::Merged(rule.host.clone()));
                reads.insert(Read::Rules(rule.host.clone()));
                if rule.host.is_wildcard() {
                    reads.extend(self.covered(&rule.host));
                }
            }
            // By its selector it may be for somebody or for nobody.
            if versions.into_iter().flatten().any(|rule| rule.selector.is_some()) {
                units.insert(Unit::Namespace(name.namespace.clone()));
                reads.insert(Read::Selecting(name.namespace.clone()));
            }
        }
        let sidecars: Vec<_> = mesh.changed_sidecars(before).map(|(name, _)| name).collect();
        units.extend(sidecars.iter().map(|name| Unit::Sidecar((*name).clone())));
        for name in
            sidecars.into_iter().chain(mesh.changed_peer_authentications(before).map(|(name, _)| name))
        {
            units.insert(Unit::Namespace(name.namespace.clone()));
            reads.insert(Read::Selecting(name.namespace.clone()));
        }
        reads.extend(mesh.changed_credentials(before).map(|(object, _)| Read::Credential(object.clone())));
        for (object, _) in mesh.changed_workloads(before) {
            // Where nothing selects workloads nothing is asked about them.
            reads.insert(Read::Workloads(object.name.namespace.clone()));
            reads.insert(Read::AllWorkloads);
        }
    }

    /// What has been asked about hosts below a wildcard.
    fn covered(&self, wildcard: &Host) -> Vec<Read> {
        let about = |read: &&Read| match read {
            Read::Services(host) | Read::Rules(host) => wildcard.covers(host),
            _ => false,
        };
        self.readers.keys().filter(about).cloned().collect()
    }

    /// Makes one check, and replaces what it found before.
    fn check(&mut self, unit: Unit, now: &Snapshot, touched: &mut BTreeSet<ObjectRef>) {
        let scope = Scope::new(now, &self.indexes);
        let mut found = Found::default();
        unit.check(&scope, &mut found);
        let reads = if unit.is_found_by_what_it_is_about() { BTreeSet::new() } else { scope.take_reads() };
        let old = self.reads.remove(&unit).unwrap_or_default();
        for read in old.difference(&reads) {
            if let Some(units) = self.readers.get_mut(read) {
                units.remove(&unit);
                if units.is_empty() {
                    self.readers.remove(read);
                }
            }
        }
        for read in reads.difference(&old) {
            self.readers.entry(read.clone()).or_default().insert(unit.clone());
        }
        if !reads.is_empty() {
            self.reads.insert(unit.clone(), reads);
        }
        for object in self.told.remove(&unit).unwrap_or_default() {
            if let Some(of_object) = self.found.get_mut(&object) {
                of_object.remove(&unit);
                if of_object.is_empty() {
                    self.found.remove(&object);
                }
            }
            touched.insert(object);
        }
        let Found(found) = found;
        if found.is_empty() {
            return;
        }
        self.told.insert(unit.clone(), found.keys().cloned().collect());
        for (object, problems) in found {
            touched.insert(object.clone());
            self.found.entry(object).or_default().insert(unit.clone(), problems);
        }
    }
}

/// The check of endpoints that are not in the cluster's own network, if there are any.
fn networks_of(key: &ServiceKey, endpoints: Option<&Arc<ServiceEndpoints>>, mesh: &Mesh) -> Option<Unit> {
    let mut all = endpoints?.ports.values().flat_map(|endpoints| endpoints.iter());
    let elsewhere = all.any(|endpoint| {
        let has_address = endpoint.address != EndpointAddress::BehindGateway;
        !(has_address && (endpoint.network.is_empty() || endpoint.network == mesh.config().network))
    });
    elsewhere.then(|| Unit::Networks(key.clone()))
}
