//! Objects to the mesh: each edit finds what it touches, and only that is derived again.
//!
//! In: batches of edits. Out: the next [`Mesh`] and what changed in it. The mesh is a function of the objects alone: the order in which
//! they came does not show.

mod discovery;
mod export;
mod link;
mod peers;
mod workload;

use crate::{
    at::Context,
    delegation::{self, Joined},
    endpoints::Known,
    joins::{Joins, selects},
    kinds::{KubernetesService, Model},
    local::Local,
    report::Snapshot,
    store::{Difference, Edit, Store},
};
use export::exported;
use mesh_model::{ChangeSet, Host, Kind, Labels, Mesh, NamespacedName, ObjectRef, Service, ServiceKey, Vip};
use std::{collections::BTreeSet, sync::Arc};

/// Holds all objects and the mesh that they make.
#[derive(Debug)]
pub struct Ingest {
    context: Context,
    store: Store,
    joins: Joins,
    local: Local,
    /// Which workloads on this machine are ready; `None`: all.
    ready: Option<Arc<BTreeSet<NamespacedName>>>,
    mesh: Arc<Mesh>,
    no_labels: Arc<Labels>,
}

/// What has to be derived again.
#[derive(Debug, Default)]
struct Dirty {
    workloads: BTreeSet<ObjectRef>,
    services: BTreeSet<ServiceKey>,
    virtual_services: BTreeSet<NamespacedName>,
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
            ready: None,
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
        let mut dirty = Dirty::default();
        for edit in batch {
            match edit {
                Edit::Ready(ready) => self.set_ready(ready, &mut dirty),
                edit => self.store.edit(edit, &mut differences),
            }
        }
        let mut changes = ChangeSet::default();
        if differences.is_empty() && dirty.workloads.is_empty() {
            return changes;
        }
        let touched =
            differences.iter().filter_map(|difference| discovery::namespace_of(&difference.object)).collect();
        // Persistent maps: the clone shares everything.
        let mut mesh = (*self.mesh).clone();
        for difference in differences {
            self.absorb(difference, &mut mesh, &mut dirty, &mut changes);
        }
        for difference in self.rediscover(&mesh, touched) {
            self.absorb(difference, &mut mesh, &mut dirty, &mut changes);
        }
        if mesh.config().exports != self.mesh.config().exports {
            self.export_again(&mut mesh, &mut dirty, &mut changes);
        }
        if mesh.config().root_namespace != self.mesh.config().root_namespace
            && mesh.peer_authentications().next().is_some()
        {
            // What was for all is for one namespace now, and the other way round.
            dirty.services.extend(self.joins.claims.keys().cloned());
        }
        self.settle(dirty, &mut mesh, &mut changes);
        self.mesh = Arc::new(mesh);
        changes
    }

    fn set_ready(&mut self, ready: Arc<BTreeSet<NamespacedName>>, dirty: &mut Dirty) {
        let changed = |pod: &&ObjectRef| {
            let was = self.ready.as_ref().is_none_or(|before| before.contains(&pod.name));
            was != ready.contains(&pod.name)
        };
        dirty.workloads.extend(self.joins.replicas.keys().filter(changed).cloned());
        self.ready = Some(ready);
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
            Kind::DestinationRule => {
                let value =
                    new.and_then(
                        |model| if let Model::DestinationRule(value) = model { Some(value) } else { None },
                    );
                let value = value.map(|value| exported(value, mesh));
                mesh.set_destination_rule(name(), value, changes);
            }
            Kind::Sidecar => {
                let value =
                    new.and_then(|model| if let Model::Sidecar(value) = model { Some(value) } else { None });
                mesh.set_sidecar(name(), value, changes);
            }
            Kind::PeerAuthentication => {
                let value = new.and_then(|model| {
                    if let Model::PeerAuthentication(value) = model { Some(value) } else { None }
                });
                mesh.set_peer_authentication(name(), value, changes);
                self.peers_changed(&object.name.namespace, mesh, dirty);
            }
            Kind::ProxyConfig => {
                let value = new
                    .and_then(|model| if let Model::ProxyConfig(value) = model { Some(value) } else { None });
                mesh.set_proxy_config(name(), value, changes);
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
            Kind::VirtualService => {}
            Kind::Service | Kind::ServiceEntry | Kind::EndpointSlice | Kind::Node | Kind::Deployment => {}
            // What registers itself by it is for whoever registers.
            Kind::WorkloadGroup | Kind::Namespace => {}
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

    /// The VirtualService `name` with the routes that it takes from others. One that only lends its routes means nothing alone.
    fn joined(&mut self, name: NamespacedName, mesh: &mut Mesh, changes: &mut ChangeSet) {
        let object = ObjectRef { kind: Kind::VirtualService, name: name.clone() };
        let find = |name: &NamespacedName| match self
            .store
            .model(&ObjectRef { kind: Kind::VirtualService, name: name.clone() })?
        {
            Model::VirtualService(definition) => Some(&**definition),
            _ => None,
        };
        let (value, problems) = match find(&name) {
            None => (None, Vec::new()),
            Some(definition) if definition.is_delegate() => {
                let used = self.joins.roots_of_delegate.of(&name).next().is_some();
                (None, if used { Vec::new() } else { vec![delegation::unused(definition)] })
            }
            Some(definition) => {
                let exports = &mesh.config().exports.virtual_services;
                let Joined { value, problems } = delegation::join(definition, exports, find);
                (Some(exported(value, mesh)), problems)
            }
        };
        mesh.set_virtual_service(name, value, changes);
        self.store.told.set_joined(&object, problems);
    }

    /// Derives again what is dirty: workloads first, since endpoints are made of them.
    fn settle(&mut self, mut dirty: Dirty, mesh: &mut Mesh, changes: &mut ChangeSet) {
        for name in std::mem::take(&mut dirty.virtual_services) {
            self.joined(name, mesh, changes);
        }
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
            let service = service.map(|service| exported(service, mesh));
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
}
