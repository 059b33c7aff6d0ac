//! Objects to the mesh: each edit finds what it touches, and only that is derived again.
//!
//! In: batches of edits. Out: the next [`Mesh`] and what changed in it. The mesh is a function of the objects alone: the order in which
//! they came does not show.

use crate::{
    at::Context,
    endpoints::{Known, pod_port},
    joins::{Claim, Joins, pod, selects},
    kinds::{KubernetesService, Model, Node, Pod, accepts_mtls, parse_locality_label},
    local::{Local, Replica, replicas},
    report::Snapshot,
    store::{Difference, Edit, Store},
};
use mesh_model::{
    ChangeSet, EndpointAddress, Host, Kind, Labels, LocalPort, LocalWorkload, Mesh, NamespacedName,
    ObjectRef, Service, ServiceKey, Str, Vip, Workload,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Holds all objects and the mesh that they make.
#[derive(Debug)]
pub struct Ingest {
    context: Context,
    store: Store,
    joins: Joins,
    local: Local,
    mesh: Arc<Mesh>,
    no_labels: Arc<Labels>,
}

/// What has to be derived again.
#[derive(Debug, Default)]
struct Dirty {
    workloads: BTreeSet<ObjectRef>,
    services: BTreeSet<ServiceKey>,
}

impl Ingest {
    /// Nothing known yet but the settings.
    pub fn new(context: Context) -> Self {
        let mut mesh = Mesh::default();
        mesh.set_config((*context.mesh_config).clone(), &mut ChangeSet::default());
        Self {
            context,
            store: Store::default(),
            joins: Joins::default(),
            local: Local::default(),
            mesh: Arc::new(mesh),
            no_labels: Arc::default(),
        }
    }

    /// The mesh as it is.
    pub fn mesh(&self) -> &Arc<Mesh> {
        &self.mesh
    }

    /// What parsing depends on.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// All that a report is made of, as it is now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { mesh: self.mesh.clone(), ..self.store.told.clone() }
    }

    /// Makes the edits, all at once, and says what changed.
    pub fn apply(&mut self, batch: Vec<Edit>) -> ChangeSet {
        let mut differences = Vec::new();
        for edit in batch {
            self.store.edit(edit, &mut differences);
        }
        let mut changes = ChangeSet::default();
        if differences.is_empty() {
            return changes;
        }
        // Persistent maps: the clone shares everything.
        let mut mesh = (*self.mesh).clone();
        let mut dirty = Dirty::default();
        for difference in differences {
            self.absorb(difference, &mut mesh, &mut dirty, &mut changes);
        }
        self.settle(dirty, &mut mesh, &mut changes);
        self.mesh = Arc::new(mesh);
        changes
    }

    /// Takes one difference into the indexes, and into the mesh where nothing has to be joined.
    fn absorb(
        &mut self,
        difference: Difference,
        mesh: &mut Mesh,
        dirty: &mut Dirty,
        changes: &mut ChangeSet,
    ) {
        let Difference { object, old, new } = difference;
        if let Some(old) = old {
            self.unlink(&object, &old, dirty);
        }
        if let Some(new) = &new {
            self.link(&object, new, dirty);
        }
        let name = || object.name.clone();
        match object.kind {
            Kind::VirtualService => {
                let value =
                    new.and_then(
                        |model| if let Model::VirtualService(value) = model { Some(value) } else { None },
                    );
                mesh.set_virtual_service(name(), value, changes);
            }
            Kind::DestinationRule => {
                let value =
                    new.and_then(
                        |model| if let Model::DestinationRule(value) = model { Some(value) } else { None },
                    );
                mesh.set_destination_rule(name(), value, changes);
            }
            Kind::Sidecar => {
                let value =
                    new.and_then(|model| if let Model::Sidecar(value) = model { Some(value) } else { None });
                mesh.set_sidecar(name(), value, changes);
            }
            Kind::MeshConfig => {
                let config = match new {
                    Some(Model::MeshConfig(config)) => config,
                    _ => self.context.mesh_config.clone(),
                };
                // Only one ConfigMap has a meaning, so there is nobody to contend with.
                mesh.set_config((*config).clone(), changes);
            }
            Kind::Pod | Kind::WorkloadEntry => {
                dirty.workloads.insert(object);
            }
            // What they touch was found while linking.
            Kind::Service | Kind::ServiceEntry | Kind::EndpointSlice | Kind::Node | Kind::Deployment => {}
            Kind::Namespace => {}
        }
    }

    fn unlink(&mut self, object: &ObjectRef, old: &Model, dirty: &mut Dirty) {
        match old {
            Model::Service(old) => {
                self.unclaim(&old.service, dirty);
                if old.wants_address() {
                    self.readdressed(|local| local.remove_service(&object.name), dirty);
                }
                self.reselect(object, old.service.selector.as_ref(), false, dirty);
            }
            Model::ServiceEntry(old) => {
                for service in &old.services {
                    self.unclaim(service, dirty);
                    self.reselect(object, service.selector.as_ref(), false, dirty);
                }
            }
            Model::EndpointSlice(old) => {
                self.joins.unlink_slice(object, old);
                dirty.services.insert(self.kubernetes_key(&old.service));
            }
            Model::Pod(old) => self.joins.pods_of_node.unlink(&old.node, object),
            Model::Deployment(old) => {
                for (pod, Replica { template: _, owner }) in replicas(old) {
                    if let Some(owners) = self.joins.replicas.get_mut(&pod) {
                        owners.remove(&owner);
                        if owners.is_empty() {
                            self.joins.replicas.remove(&pod);
                            self.rehomed(|local| local.remove_pod(&pod.name), dirty);
                        }
                    }
                    dirty.workloads.insert(pod);
                }
            }
            Model::Node(_) => self.node_changed(&object.name.name, dirty),
            Model::VirtualService(_)
            | Model::DestinationRule(_)
            | Model::Sidecar(_)
            | Model::WorkloadEntry(_)
            | Model::Namespace
            | Model::MeshConfig(_) => {}
        }
    }

    fn link(&mut self, object: &ObjectRef, new: &Model, dirty: &mut Dirty) {
        match new {
            Model::Service(new) => {
                self.claim(&new.service, dirty);
                if new.wants_address() {
                    self.readdressed(|local| local.add_service(object.name.clone()), dirty);
                }
                self.reselect(object, new.service.selector.as_ref(), true, dirty);
            }
            Model::ServiceEntry(new) => {
                for service in &new.services {
                    self.claim(service, dirty);
                    self.reselect(object, service.selector.as_ref(), true, dirty);
                }
            }
            Model::EndpointSlice(new) => {
                self.joins.link_slice(object, new);
                dirty.services.insert(self.kubernetes_key(&new.service));
            }
            Model::Pod(new) => self.joins.pods_of_node.link(new.node.clone(), object.clone()),
            Model::Deployment(new) => {
                for (pod, replica) in replicas(new) {
                    self.rehomed(|local| local.add_pod(&pod.name), dirty);
                    self.joins
                        .replicas
                        .entry(pod.clone())
                        .or_default()
                        .insert(replica.owner.clone(), replica);
                    dirty.workloads.insert(pod);
                }
            }
            Model::Node(_) => self.node_changed(&object.name.name, dirty),
            Model::VirtualService(_)
            | Model::DestinationRule(_)
            | Model::Sidecar(_)
            | Model::WorkloadEntry(_)
            | Model::Namespace
            | Model::MeshConfig(_) => {}
        }
    }

    fn claim(&mut self, service: &Service, dirty: &mut Dirty) {
        let key = ServiceKey { host: service.host.clone(), namespace: service.namespace().clone() };
        self.joins.claims.entry(key.clone()).or_default().insert(Claim::of(service));
        self.note_claims(&key);
        dirty.services.insert(key);
    }

    fn unclaim(&mut self, service: &Service, dirty: &mut Dirty) {
        let key = ServiceKey { host: service.host.clone(), namespace: service.namespace().clone() };
        if let Some(claims) = self.joins.claims.get_mut(&key) {
            claims.remove(&Claim::of(service));
            if claims.is_empty() {
                self.joins.claims.remove(&key);
            }
        }
        self.note_claims(&key);
        dirty.services.insert(key);
    }

    fn note_claims(&mut self, key: &ServiceKey) {
        let contested = &mut self.store.told.contested;
        match self.joins.claims.get(key).filter(|claims| claims.len() > 1) {
            Some(claims) => {
                let objects = claims.iter().map(|claim| claim.object.clone());
                contested.insert(key.clone(), objects.collect());
            }
            None => {
                contested.remove(key);
            }
        }
    }

    /// An object begins or ends to select. What its replicas serve depends on it.
    fn reselect(&mut self, object: &ObjectRef, selector: Option<&Labels>, begins: bool, dirty: &mut Dirty) {
        let Some(selector) = selector else { return };
        match begins {
            true => self.joins.link_selector(object, selector),
            false => self.joins.unlink_selector(object, selector),
        }
        if object.kind == Kind::Service && !self.joins.replicas.is_empty() {
            let selected = self.joins.selected(&object.name.namespace, selector);
            dirty.workloads.extend(selected.filter(|pod| self.joins.replicas.contains_key(pod)).cloned());
        }
    }

    fn readdressed(&mut self, edit: impl FnOnce(&mut Local) -> Vec<NamespacedName>, dirty: &mut Dirty) {
        for moved in edit(&mut self.local) {
            dirty.services.insert(self.kubernetes_key(&moved));
        }
    }

    fn rehomed(&mut self, edit: impl FnOnce(&mut Local) -> Vec<NamespacedName>, dirty: &mut Dirty) {
        dirty.workloads.extend(edit(&mut self.local).iter().map(pod));
    }

    fn node_changed(&self, node: &Str, dirty: &mut Dirty) {
        dirty.workloads.extend(self.joins.pods_of_node.of(node).cloned());
        for slice in self.joins.slices_of_node.of(node) {
            if let Some(Model::EndpointSlice(slice)) = self.store.model(slice) {
                dirty.services.insert(self.kubernetes_key(&slice.service));
            }
        }
    }

    fn kubernetes_key(&self, name: &NamespacedName) -> ServiceKey {
        let NamespacedName { namespace, name } = name;
        let domain = &self.context.mesh_config.domain;
        ServiceKey {
            host: Host::new(&format!("{name}.{namespace}.svc.{domain}")),
            namespace: namespace.clone(),
        }
    }

    /// Derives again what is dirty: workloads first, since endpoints are made of them.
    fn settle(&mut self, mut dirty: Dirty, mesh: &mut Mesh, changes: &mut ChangeSet) {
        for object in std::mem::take(&mut dirty.workloads) {
            let old = mesh.workload(&object).cloned();
            let new = self.workload(&object);
            if old.as_deref() == new.as_ref() {
                // A WorkloadEntry says more than its workload shows.
                if object.kind == Kind::WorkloadEntry
                    && let Some(workload) = &new
                {
                    self.touch_services(&object, &workload.labels, &mut dirty);
                }
                continue;
            }
            for workload in old.as_deref().into_iter().chain(&new) {
                self.touch_services(&object, &workload.labels, &mut dirty);
            }
            if let Some(old) = &old {
                self.joins.unlink_workload(&object, &old.labels);
            }
            if let Some(new) = &new {
                self.joins.link_workload(&object, &new.labels);
            }
            mesh.set_workload(object, new.map(Arc::new), changes);
        }
        for key in dirty.services {
            let winner = self.joins.claims.get(&key).and_then(|claims| claims.first());
            let known = Known { store: &self.store, joins: &self.joins, mesh, no_labels: &self.no_labels };
            let (service, endpoints) = match winner.and_then(|claim| self.store.model(&claim.object)) {
                Some(Model::Service(definition)) => {
                    (Some(self.addressed(definition)), Some(Arc::new(known.of_service(definition))))
                }
                Some(Model::ServiceEntry(entry)) => {
                    match entry.services.iter().find(|service| service.host == key.host) {
                        Some(service) => {
                            let endpoints = known.of_service_entry(entry, service);
                            (Some(service.clone()), Some(Arc::new(endpoints)))
                        }
                        None => (None, None),
                    }
                }
                _ => (None, None),
            };
            mesh.set_service(key.clone(), service, changes);
            mesh.set_endpoints(key, endpoints, changes);
        }
    }

    /// Marks the services that a workload with these labels belongs to.
    fn touch_services(&self, object: &ObjectRef, labels: &Labels, dirty: &mut Dirty) {
        for definer in self.joins.selecting(&object.name.namespace, labels) {
            match self.store.model(definer) {
                Some(Model::Service(definition)) => {
                    let chosen =
                        definition.service.selector.as_ref().is_some_and(|wanted| selects(wanted, labels));
                    let counts = definition.from_file || object.kind == Kind::WorkloadEntry;
                    if chosen && counts {
                        dirty.services.insert(self.kubernetes_key(&definer.name));
                    }
                }
                Some(Model::ServiceEntry(entry)) => {
                    for service in &entry.services {
                        if service.selector.as_ref().is_some_and(|wanted| selects(wanted, labels)) {
                            let namespace = service.namespace().clone();
                            dirty.services.insert(ServiceKey { host: service.host.clone(), namespace });
                        }
                    }
                }
                _ => {}
            }
        }
        if object.kind == Kind::Pod {
            for slice in self.joins.slices_of_pod.of(&object.name) {
                if let Some(Model::EndpointSlice(slice)) = self.store.model(slice) {
                    dirty.services.insert(self.kubernetes_key(&slice.service));
                }
            }
        }
    }

    /// The service with the address that it was allocated, if it needs one.
    fn addressed(&self, definition: &KubernetesService) -> Arc<Service> {
        let service = &definition.service;
        match self.local.vip(&service.metadata.object.name) {
            Some(vip) if definition.wants_address() => {
                let mut service = (**service).clone();
                service.vips = vec![Vip::Ip(vip)];
                Arc::new(service)
            }
            _ => service.clone(),
        }
    }

    /// What `object` is as a workload.
    fn workload(&self, object: &ObjectRef) -> Option<Workload> {
        match self.store.model(object) {
            Some(Model::Pod(pod)) => Some(self.of_pod(pod)),
            Some(Model::WorkloadEntry(entry)) => Some(Workload {
                object: object.clone(),
                addresses: match entry.endpoint.address {
                    EndpointAddress::Ip(address) => vec![address],
                    EndpointAddress::Name(_) | EndpointAddress::Unix(_) => Vec::new(),
                },
                labels: entry.endpoint.labels.clone(),
                service_account: entry.endpoint.service_account.clone(),
                locality: entry.endpoint.locality.clone(),
                network: entry.endpoint.network.clone(),
                node: Str::default(),
                named_ports: entry
                    .endpoint
                    .ports
                    .iter()
                    .map(|(name, number)| (name.clone(), *number))
                    .collect(),
                ready: true,
                mtls: accepts_mtls(&entry.endpoint.labels),
                local: None,
            }),
            _ => self.joins.replica(object).and_then(|replica| self.of_replica(object, replica)),
        }
    }

    fn of_pod(&self, pod: &Pod) -> Workload {
        let Pod {
            metadata,
            addresses,
            labels,
            service_account,
            node,
            named_ports,
            ready,
            locality,
            network,
            mtls,
        } = pod;
        let of_node = || match self.store.model(&ObjectRef::new(Kind::Node, "", node.clone())) {
            Some(Model::Node(node)) => {
                let Node { locality } = &**node;
                locality.clone()
            }
            _ => Default::default(),
        };
        Workload {
            object: metadata.object.clone(),
            addresses: addresses.clone(),
            labels: labels.clone(),
            service_account: service_account.clone(),
            locality: locality.clone().unwrap_or_else(of_node),
            network: network.clone(),
            node: node.clone(),
            named_ports: named_ports.clone(),
            ready: *ready,
            mtls: *mtls,
            local: None,
        }
    }

    fn of_replica(&self, object: &ObjectRef, replica: &Replica) -> Option<Workload> {
        let (address, application) = self.local.addresses(&object.name)?;
        let labels = &replica.template.labels;
        let mut workload = Workload {
            object: object.clone(),
            addresses: vec![address],
            labels: labels.clone(),
            service_account: replica.template.service_account.clone(),
            locality: parse_locality_label(labels).unwrap_or_default(),
            network: Str::default(),
            node: Str::default(),
            named_ports: replica.template.named_ports.clone(),
            ready: true,
            mtls: accepts_mtls(labels),
            local: None,
        };
        let ports = self.served_ports(&workload);
        workload.local = Some(LocalWorkload { application, ports });
        Some(workload)
    }

    /// The ports that Services lead to. Services are looked at in order of their names, so the first one's word counts.
    fn served_ports(&self, workload: &Workload) -> Vec<LocalPort> {
        let mut ports: BTreeMap<u16, LocalPort> = BTreeMap::new();
        let definers: BTreeSet<_> =
            self.joins.selecting(&workload.object.name.namespace, &workload.labels).collect();
        for definer in definers {
            let Some(Model::Service(definition)) = self.store.model(definer) else { continue };
            let service = &definition.service;
            if !service.selector.as_ref().is_some_and(|wanted| selects(wanted, &workload.labels)) {
                continue;
            }
            for port in &service.ports {
                if let Some(number) = pod_port(workload, port) {
                    ports.entry(number).or_insert(LocalPort { number, protocol: port.protocol });
                }
            }
        }
        ports.into_values().collect()
    }
}
