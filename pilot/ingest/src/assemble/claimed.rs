//! One service, where several objects define it.
//!
//! In: claims, in the order in which they count. Out: what defines the service, and who of the others is heard. As in Istio a Kubernetes
//! Service counts before ServiceEntries, and ServiceEntries of a namespace that are alike are one service, with the ports and endpoints of all
//! of them.

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
    /// A Kubernetes Service.
    Kubernetes(&'a KubernetesService),
    /// One ServiceEntry or several that are alike; the first counts where they differ.
    Entries(Vec<Part<'a>>),
}

impl<'a> Part<'a> {
    fn of(claim: &Claim, host: &Host, store: &'a Store) -> Option<Self> {
        let Some(Model::ServiceEntry(entry)) = store.model(&claim.object) else { return None };
        let service = entry.services.iter().find(|service| service.host == *host)?;
        Some(Self { entry, service })
    }

    /// Istio's condition for one service of two.
    fn is_like(&self, other: &Self) -> bool {
        self.service.resolution == other.service.resolution
            && self.service.selector == other.service.selector
            && self.service.export_to == other.service.export_to
            && self.entry.labels == other.entry.labels
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
                    definition = Self::Kubernetes(service);
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
                (Self::Kubernetes(_), _) => false,
            };
            let without = definition.without();
            contenders.push(Contender { object: claim.object.clone(), is_heard, without });
        }
        (definition, contenders)
    }
}

impl Definition<'_> {
    /// Ports of the last part that do not count.
    fn without(&self) -> Vec<u16> {
        let Self::Entries(parts) = self else { return Vec::new() };
        let Some((last, earlier)) = parts.split_last() else { return Vec::new() };
        let differs = |port: &&ServicePort| {
            let mut others = earlier.iter().filter_map(|part| part.service.port(port.number));
            others.next().is_some_and(|first| (&first.name, first.protocol) != (&port.name, port.protocol))
        };
        last.service.ports.iter().filter(differs).map(|port| port.number).collect()
    }
}

/// The service that these are together: the first, with the others' ports of other numbers.
pub fn together(parts: &[Part<'_>]) -> Option<Arc<Service>> {
    let (first, others) = parts.split_first()?;
    let mut service = first.service.clone();
    for port in others.iter().flat_map(|part| &part.service.ports) {
        if service.port(port.number).is_none() {
            Arc::make_mut(&mut service).ports.push(port.clone());
        }
    }
    Some(service)
}
