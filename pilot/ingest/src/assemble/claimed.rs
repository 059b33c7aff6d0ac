//! One service, where several objects define it.
//!
//! In: claims, in the order in which they count. Out: what defines the service, and who of the others is heard. As in Istio a Kubernetes
//! Service counts before ServiceEntries, of which only `subjectAltNames` are heard then (NOTE 2 of `ServiceEntry.hosts`), and ServiceEntries of a
//! namespace that are alike are one service, with the ports and endpoints of all of them.

use crate::{
    joins::Claim,
    kinds::{KubernetesService, Model, ServiceEntry},
    report::Contender,
    store::Store,
};
use mesh_model::{Host, Service, ServicePort};
use std::sync::Arc;

/// A ServiceEntry, and what it says of one host.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// All of it.
    pub entry: &'a ServiceEntry,
    /// The host.
    pub service: &'a Arc<Service>,
}

/// What defines a service.
pub enum Definition<'a> {
    /// Nothing does.
    Nothing,
    /// A Kubernetes Service, and ServiceEntries that say who else may serve it.
    Kubernetes(&'a KubernetesService, Vec<Part<'a>>),
    /// One ServiceEntry or several that are alike; the first counts where they differ.
    Entries(Vec<Part<'a>>),
}

impl<'a> Part<'a> {
    fn of(claim: &Claim, host: &Host, store: &'a Store) -> Option<Self> {
        let Some(Model::ServiceEntry(entry)) = store.model(&claim.object) else { return None };
        let service = entry.services.iter().find(|service| service.host == *host)?;
        Some(Self { entry, service })
    }

    /// Istio's condition for one service of two; and that they agree on what makes it safe to call, of which Istio takes the first's.
    fn is_like(&self, other: &Self) -> bool {
        let (first, second) = (self.service, other.service);
        let same = first.resolution == second.resolution
            && first.selector == second.selector
            && first.export_to == second.export_to
            && self.entry.labels == other.entry.labels;
        same && first.external == second.external && first.subject_alt_names == second.subject_alt_names
    }

    /// Fields that the service has as `first` says.
    fn without(&self, first: &Self) -> Vec<&'static str> {
        let (first, second) = (first.service, self.service);
        let addresses = (!second.vips.is_empty() && first.vips != second.vips).then_some("spec.addresses");
        let distribution = (first.distribution != second.distribution).then_some("metadata.annotations");
        addresses.into_iter().chain(distribution).collect()
    }
}

impl<'a> Definition<'a> {
    /// What defines the service of `host`, and what becomes of each claim.
    pub fn of<'c>(
        host: &Host,
        claims: impl Iterator<Item = &'c Claim>,
        store: &'a Store,
    ) -> (Self, Vec<Contender>) {
        let mut definition = Self::Nothing;
        let mut contenders = Vec::new();
        for claim in claims {
            let is_heard = match (&mut definition, store.model(&claim.object)) {
                (Self::Nothing, Some(Model::Service(service))) => {
                    definition = Self::Kubernetes(service, Vec::new());
                    true
                }
                (Self::Nothing, _) => Part::of(claim, host, store).is_some_and(|part| {
                    definition = Self::Entries(vec![part]);
                    true
                }),
                (Self::Entries(parts), _) => Part::of(claim, host, store).is_some_and(|part| {
                    let is_like = parts.first().is_some_and(|first| first.is_like(&part));
                    parts.extend(is_like.then_some(part));
                    is_like
                }),
                (Self::Kubernetes(_, parts), _) => {
                    let part = Part::of(claim, host, store);
                    let names = part.filter(|part| !part.service.subject_alt_names.is_empty());
                    parts.extend(names);
                    names.is_some()
                }
            };
            let (ports, fields) = match is_heard {
                true => definition.without(),
                false => Default::default(),
            };
            contenders.push(Contender { object: claim.object.clone(), is_heard, ports, fields });
        }
        (definition, contenders)
    }
}

impl Definition<'_> {
    /// Ports and fields of the last part that do not count.
    fn without(&self) -> (Vec<u16>, Vec<&'static str>) {
        let Self::Entries(parts) = self else { return Default::default() };
        let Some((last, earlier)) = parts.split_last() else { return Default::default() };
        let differs = |port: &&ServicePort| {
            let mut others = earlier.iter().filter_map(|part| part.service.port(port.number));
            others.next().is_some_and(|first| (&first.name, first.protocol) != (&port.name, port.protocol))
        };
        let ports = last.service.ports.iter().filter(differs).map(|port| port.number).collect();
        (ports, earlier.first().map(|first| last.without(first)).unwrap_or_default())
    }
}

/// The service with the names of servers that `parts` add.
pub fn decorated(mut service: Arc<Service>, parts: &[Part<'_>]) -> Arc<Service> {
    for part in parts {
        let service = Arc::make_mut(&mut service);
        service.subject_alt_names.extend(part.service.subject_alt_names.iter().cloned());
        service.with.push(part.service.metadata.object.clone());
    }
    service
}

/// The service that these are together: the first, with the others' ports of other numbers.
pub fn together(parts: &[Part<'_>]) -> Option<Arc<Service>> {
    let (first, others) = parts.split_first()?;
    let mut service = first.service.clone();
    if !others.is_empty() {
        let objects = others.iter().map(|part| part.service.metadata.object.clone());
        Arc::make_mut(&mut service).with = objects.collect();
    }
    for port in others.iter().flat_map(|part| &part.service.ports) {
        if service.port(port.number).is_none() {
            Arc::make_mut(&mut service).ports.push(port.clone());
        }
    }
    Some(service)
}
