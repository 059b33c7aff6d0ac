//! The mesh as a check sees it: every answer is noted, so that the check is made again when, and only when, an answer may be another one.
//!
//! In: a mesh and the indexes beside it. Out: answers, and the list of what was asked. A check that read the mesh past this would live on with
//! what it found: hence nothing here gives the mesh away.

use super::{Reference, indexes::Indexes};
use crate::{nearest::nearest, report::Snapshot};
use mesh_model::{
    Credential, DestinationRule, EndpointAddress, Host, Labels, Mesh, MeshConfig, NamespacedName, ObjectRef,
    PeerAuthentication, PeerModes, Service, ServiceEndpoints, ServiceKey, Sidecar, Str, VirtualService,
    Workload,
};
use std::{cell::RefCell, collections::BTreeSet, net::IpAddr, sync::Arc};

/// Something that was asked of the mesh.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Read {
    /// The services under exactly this host, or under a wildcard that covers it.
    Services(Host),
    /// Which services there are in a namespace.
    ServicesOf(Str),
    /// Which services there are.
    AllServices,
    /// The endpoints of the services under exactly this host.
    Endpoints(Host),
    /// The VirtualServices that name exactly this host.
    VirtualServices(Host),
    /// One VirtualService.
    VirtualService(NamespacedName),
    /// The DestinationRules about this host, or about a wildcard that covers it.
    Rules(Host),
    /// Workloads of a namespace.
    Workloads(Str),
    /// Every workload.
    AllWorkloads,
    /// One credential.
    Credential(ObjectRef),
    /// What selects workloads in a namespace: Sidecars, PeerAuthentications, DestinationRules.
    Selecting(Str),
}

/// What a check may look at.
pub(super) struct Scope<'a> {
    mesh: &'a Mesh,
    snapshot: &'a Snapshot,
    indexes: &'a Indexes,
    reads: RefCell<BTreeSet<Read>>,
}

impl<'a> Scope<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, indexes: &'a Indexes) -> Self {
        Self { mesh: &snapshot.mesh, snapshot, indexes, reads: RefCell::default() }
    }

    /// What has been asked since this was asked last.
    pub(super) fn take_reads(&self) -> BTreeSet<Read> {
        self.reads.take()
    }

    fn note(&self, read: Read) {
        self.reads.borrow_mut().insert(read);
    }

    /// Mesh-wide settings. Not noted: when they differ everything is checked again.
    pub(super) fn config(&self) -> &'a MeshConfig {
        self.mesh.config()
    }

    /// What `object` refers to, if it belongs to the mesh. Not noted: who asks for it is about it.
    pub(super) fn references_of(&self, object: &ObjectRef) -> &'a [Reference] {
        let belongs = !self.snapshot.hidden.contains_key(&object.name.namespace);
        let references = self.snapshot.references.get(object).filter(|_| belongs);
        references.map(|references| &**references).unwrap_or_default()
    }

    /// Every service.
    pub(super) fn services(&self) -> impl Iterator<Item = &'a Arc<Service>> {
        self.note(Read::AllServices);
        self.mesh.services()
    }

    pub(super) fn service(&self, key: &ServiceKey) -> Option<&'a Arc<Service>> {
        let mut services = self.services_of_host(&key.host).into_iter();
        services.find(|service| *service.namespace() == key.namespace)
    }

    pub(super) fn services_of_namespace(&self, namespace: &str) -> impl Iterator<Item = &'a Arc<Service>> {
        self.note(Read::ServicesOf(namespace.into()));
        self.mesh.services_of_namespace(namespace)
    }

    pub(super) fn services_of_host(&self, host: &Host) -> Vec<&'a Arc<Service>> {
        self.note(Read::Services(host.clone()));
        self.mesh.services_of_host(host)
    }

    pub(super) fn endpoints(&self, service: &Service) -> Option<&'a Arc<ServiceEndpoints>> {
        self.note(Read::Endpoints(service.host.clone()));
        self.mesh.endpoints(service)
    }

    pub(super) fn virtual_services_of_host(&self, host: &Host) -> Vec<&'a Arc<VirtualService>> {
        self.note(Read::VirtualServices(host.clone()));
        self.mesh.virtual_services_of_host(host)
    }

    pub(super) fn virtual_service(&self, name: &NamespacedName) -> Option<&'a Arc<VirtualService>> {
        self.note(Read::VirtualService(name.clone()));
        self.mesh.virtual_service(name)
    }

    /// Not noted: who asks for it is about it.
    pub(super) fn rule(&self, name: &NamespacedName) -> Option<&'a Arc<DestinationRule>> {
        self.mesh.destination_rule(name)
    }

    /// Not noted: who asks for it is about it.
    pub(super) fn sidecar(&self, name: &NamespacedName) -> Option<&'a Arc<Sidecar>> {
        self.mesh.sidecar(name)
    }

    pub(super) fn credential(&self, object: &ObjectRef) -> Option<&'a Arc<Credential>> {
        self.note(Read::Credential(object.clone()));
        self.mesh.credential(object)
    }

    pub(super) fn workloads_of_namespace(&self, namespace: &str) -> impl Iterator<Item = &'a Arc<Workload>> {
        self.note(Read::Workloads(namespace.into()));
        self.mesh.workloads_of_namespace(namespace)
    }

    /// Every workload.
    pub(super) fn workloads(&self) -> impl Iterator<Item = &'a Arc<Workload>> {
        self.note(Read::AllWorkloads);
        self.mesh.workloads()
    }

    /// Whether there is anybody at all.
    pub(super) fn has_workloads(&self) -> bool {
        self.workloads().next().is_some()
    }

    /// Whether workloads are in a namespace that is none of `known`. While the one stays that shows it, so does the answer.
    pub(super) fn has_workloads_besides(&self, known: &BTreeSet<Str>) -> bool {
        let found = self.mesh.namespaces_of_workloads().find(|namespace| !known.contains(*namespace));
        self.note(found.map_or(Read::AllWorkloads, |namespace| Read::Workloads(namespace.clone())));
        found.is_some()
    }

    pub(super) fn sidecars_of_namespace(&self, namespace: &str) -> impl Iterator<Item = &'a Arc<Sidecar>> {
        self.note(Read::Selecting(namespace.into()));
        self.mesh.sidecars_of_namespace(namespace)
    }

    /// The Sidecar for a workload: its namespace's, or else the root namespace's.
    pub(super) fn sidecar_for(&self, namespace: &str, labels: &Labels) -> Option<&'a Arc<Sidecar>> {
        self.note_selecting(namespace);
        self.mesh.sidecar_for(namespace, labels)
    }

    /// What the proxy of a workload takes: by its namespace's PeerAuthentications, and the root namespace's.
    pub(super) fn peer_modes(&self, namespace: &str, labels: &Labels) -> PeerModes {
        self.note_selecting(namespace);
        self.mesh.peer_modes(namespace, labels)
    }

    fn note_selecting(&self, namespace: &str) {
        self.note(Read::Selecting(namespace.into()));
        self.note(Read::Selecting(self.config().root_namespace.clone()));
    }

    pub(super) fn rules_of_namespace(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<DestinationRule>> {
        self.note(Read::Selecting(namespace.into()));
        self.mesh.destination_rules_of_namespace(namespace)
    }

    pub(super) fn peer_authentications_of_namespace(
        &self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<PeerAuthentication>> {
        self.note(Read::Selecting(namespace.into()));
        self.mesh.peer_authentications_of_namespace(namespace)
    }

    /// Services that take connections to this port of an address by nothing else; `None` for any address. Not noted: who asks for it is
    /// about it.
    pub(super) fn claims(&self, address: Option<IpAddr>, port: u16) -> Vec<&'a Arc<Service>> {
        let keys = self.indexes.claims(address, port);
        let mut services: Vec<_> = keys.filter_map(|key| self.service(key)).collect();
        services.sort_by_key(|service| service.metadata.precedence());
        services
    }

    /// Services that lead to this port of a workload. Not noted: who asks for it is about one of them.
    pub(super) fn sharers(
        &self,
        address: &EndpointAddress,
        port: u16,
    ) -> impl Iterator<Item = &'a Arc<Service>> {
        self.indexes.sharers(address, port).filter_map(|key| self.service(key))
    }

    /// Services that `namespace` sees under exactly `host`, or under a wildcard that covers it.
    pub(super) fn visible(&self, host: &Host, namespace: &str) -> Vec<&'a Arc<Service>> {
        let mut services = self.services_of_host(host);
        let wildcards = self.indexes.wildcard_services().filter(|key| key.host.covers(host));
        services.extend(wildcards.filter_map(|key| self.service(key)));
        services.retain(|service| service.export_to.includes(namespace));
        services
    }

    /// The services that a route to `host` from `namespace` means: of another name, what it leads to.
    pub(super) fn meant(&self, host: &Host, namespace: &str) -> Vec<&'a Arc<Service>> {
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

    /// The DestinationRules about exactly this host, the oldest first. Not noted: who asks for it is about it.
    pub(super) fn rules_of_exactly(&self, host: &Host) -> Vec<&'a Arc<DestinationRule>> {
        self.mesh.destination_rules_of_host(host)
    }

    /// The DestinationRules about `host`, those about it alone first.
    pub(super) fn rules(&self, host: &Host) -> Vec<&'a Arc<DestinationRule>> {
        self.note(Read::Rules(host.clone()));
        let mut rules = self.mesh.destination_rules_of_host(host);
        for wildcard in self.indexes.wildcard_rules().filter(|wildcard| wildcard.covers(host)) {
            rules.extend(self.mesh.destination_rules_of_host(wildcard));
        }
        rules
    }

    /// The DestinationRules that decide for clients in `client` that call `service`.
    pub(super) fn rules_for(&self, client: &Str, service: &Service) -> Vec<&'a Arc<DestinationRule>> {
        self.note(Read::Rules(service.host.clone()));
        self.mesh.destination_rules_for(client, service)
    }

    /// A service of the same name in another namespace, which is what a forgotten namespace looks like, or one of a similar name in
    /// this one.
    pub(super) fn namesake(&self, host: &Host, namespace: &str) -> Option<Host> {
        let domain = &self.config().domain;
        let own = format!(".{namespace}.svc.{domain}");
        let name = host.as_str().strip_suffix(own.as_str())?;
        let suffix = format!(".svc.{domain}");
        let prefix = format!("{name}.");
        self.note(Read::AllServices);
        let mut elsewhere = self.mesh.hosts_with_prefix(&prefix);
        let elsewhere = elsewhere.find(|other| other.as_str().ends_with(&suffix)).cloned();
        elsewhere.or_else(|| self.misspelt(host, namespace))
    }

    fn misspelt(&self, host: &Host, namespace: &str) -> Option<Host> {
        let names: Vec<&str> =
            self.services_of_namespace(namespace).map(|service| service.host.as_str()).collect();
        // The domain is most of the letters, and nobody misspells that.
        let name = host.as_str().split('.').next()?;
        let near = nearest(name, names.iter().filter_map(|name| name.split('.').next()))?;
        let near = names.into_iter().find(|name| name.split('.').next() == Some(near))?;
        Some(Host::new(near))
    }
}
