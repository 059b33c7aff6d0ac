//! All checks, and what each found, as the mesh changes: a check is made again when something that it looked at differs.
//!
//! In: the mesh, and what objects refer to. Out: problems by object, and the objects whose problems may be others. The work is that of what
//! changed, however big the mesh is.

use super::{
    Found,
    indexes::{Indexes, claims_of},
    scope::{Read, Scope},
    unit::Unit,
};
use crate::report::Snapshot;
use imbl::ordmap::DiffItem;
use mesh_model::{Host, Mesh, ObjectRef, Problem, Service, ServiceKey};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

/// What all checks have found.
#[derive(Debug, Default)]
pub(crate) struct Checks {
    snapshot: Snapshot,
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

    /// Looks at what differs now; gives the objects about which something else may be said. Which namespaces are hidden must not differ.
    pub(crate) fn follow(&mut self, now: &Snapshot) -> BTreeSet<ObjectRef> {
        let mut touched = BTreeSet::new();
        if now.mesh.config() != self.snapshot.mesh.config() {
            touched.extend(std::mem::take(self).found.into_keys());
        }
        let before = std::mem::replace(&mut self.snapshot, now.clone());
        let (mesh, before, before_references) = (&now.mesh, &*before.mesh, &before.references);
        let mut units = BTreeSet::new();
        let mut reads = BTreeSet::new();
        self.indexes.follow(before, mesh, &mut |read| {
            reads.insert(read);
        });
        for read in &reads {
            match read {
                Read::Claims(address, port) => {
                    units.insert(Unit::Claims(*address, *port));
                }
                Read::Sharers(address, port) => {
                    units.extend(self.indexes.sharers(address, *port).cloned().map(Unit::Service));
                }
                _ => {}
            }
        }
        self.services_changed(before, &mut units, &mut reads);
        self.objects_changed(before, &mut units, &mut reads);
        for item in before_references.diff(&now.references) {
            let (DiffItem::Add(object, _)
            | DiffItem::Remove(object, _)
            | DiffItem::Update { new: (object, _), .. }) = item;
            units.insert(Unit::References(object.clone()));
        }
        units.extend(reads.iter().filter_map(|read| self.readers.get(read)).flatten().cloned());
        for unit in units {
            self.check(unit, &mut touched);
        }
        touched
    }

    fn services_changed(&self, before: &Mesh, units: &mut BTreeSet<Unit>, reads: &mut BTreeSet<Read>) {
        let mut changed: BTreeSet<&ServiceKey> = BTreeSet::new();
        for (key, [old, new]) in self.snapshot.mesh.changed_services(before) {
            changed.insert(key);
            let claims = old.into_iter().chain(new).flat_map(|service| claims_of(service));
            units.extend(claims.map(|(address, port)| Unit::Claims(address, port)));
            reads.extend([
                Read::Services(key.host.clone()),
                Read::ServicesOf(key.namespace.clone()),
                Read::AllServices,
            ]);
            if key.host.is_wildcard() {
                reads.extend(self.covered(&key.host));
            }
        }
        for (key, _) in self.snapshot.mesh.changed_endpoints(before) {
            changed.insert(key);
            reads.insert(Read::Endpoints(key.host.clone()));
        }
        for key in changed {
            units.insert(Unit::Service(key.clone()));
            // Those that lead to the same workloads are compared with it.
            let service: Option<&Arc<Service>> = self.snapshot.mesh.service(key);
            let endpoints = service.and_then(|service| self.snapshot.mesh.endpoints(service));
            let endpoints = endpoints.into_iter().flat_map(|endpoints| endpoints.ports.values());
            for endpoint in endpoints.flat_map(|endpoints| endpoints.iter()) {
                let sharers = self.indexes.sharers(&endpoint.address, endpoint.port);
                units.extend(sharers.cloned().map(Unit::Service));
            }
        }
    }

    fn objects_changed(&self, before: &Mesh, units: &mut BTreeSet<Unit>, reads: &mut BTreeSet<Read>) {
        let mesh = &self.snapshot.mesh;
        for (name, versions) in mesh.changed_virtual_services(before) {
            units.insert(Unit::VirtualService(name.clone()));
            reads.insert(Read::VirtualService(name.clone()));
            let hosts = versions.into_iter().flatten().flat_map(|value| &value.hosts);
            units.extend(hosts.cloned().map(Unit::Contested));
        }
        for (name, versions) in mesh.changed_destination_rules(before) {
            units.insert(Unit::DestinationRule(name.clone()));
            for rule in versions.into_iter().flatten() {
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
        for (object, _) in mesh.changed_workloads(before) {
            // Where nothing selects workloads nothing is asked about them.
            reads.insert(Read::Workloads(object.name.namespace.clone()));
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
    fn check(&mut self, unit: Unit, touched: &mut BTreeSet<ObjectRef>) {
        let scope = Scope::new(&self.snapshot, &self.indexes);
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
