//! What is dirty, derived again: VirtualServices with what they are lent, workloads, services and their endpoints.
//!
//! In: names. Out: their new values in the mesh.

use super::{
    Dirty, Ingest,
    claimed::{Definition, decorated, together},
    export::exported,
    visibility::narrowed,
};
use crate::{
    delegation::{self, Joined},
    endpoints::Known,
    joins::selects,
    kinds::{KubernetesService, Model},
};
use mesh_model::{ChangeSet, Kind, Labels, Mesh, NamespacedName, ObjectRef, Service, ServiceKey, Vip};
use std::sync::Arc;

impl Ingest {
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
    pub(super) fn settle(&mut self, mut dirty: Dirty, mesh: &mut Mesh, changes: &mut ChangeSet) {
        for name in std::mem::take(&mut dirty.virtual_services) {
            self.joined(name, mesh, changes);
        }
        for object in std::mem::take(&mut dirty.credentials) {
            self.settle_credential(object, mesh, changes);
        }
        for object in std::mem::take(&mut dirty.workloads) {
            let old = mesh.workload(&object).cloned();
            let new = self.workload(&object, mesh);
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
            let known = Known { store: &self.store, joins: &self.joins, mesh, no_labels: &self.no_labels };
            let claims = self.joins.claims.of(&key);
            let (definition, contenders) = Definition::of(&key.host, claims, &self.store);
            let (service, endpoints) = match definition {
                Definition::Kubernetes(definition, parts) => {
                    let service = decorated(self.addressed(definition), &parts);
                    (Some(service), Some(Arc::new(known.of_service(definition))))
                }
                Definition::Entries(parts) => match together(&parts) {
                    Some(service) => {
                        let endpoints = known.of_service_entries(&parts, &service);
                        (Some(service), Some(Arc::new(endpoints)))
                    }
                    None => (None, None),
                },
                Definition::Nothing => (None, None),
            };
            self.store.told.set_contenders(&key, contenders);
            let service = service.map(|service| narrowed(exported(service, mesh), mesh));
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
