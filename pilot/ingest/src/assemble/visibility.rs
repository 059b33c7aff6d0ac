//! How far the ServiceEntries of each namespace may be seen, where the mesh has policies for that.
//!
//! In: the mesh with its settings, and the labels of namespaces. Out: the settings with what holds where, and services as far as they may be seen.

use super::{Dirty, Ingest};
use mesh_model::{ChangeSet, EntryVisibility, Mesh, MeshConfig, Registry, Service};
use std::sync::Arc;

impl Ingest {
    pub(super) fn find_visibility(&self, mesh: &mut Mesh, dirty: &mut Dirty, changes: &mut ChangeSet) {
        if let Some(policies) = &mesh.config().entry_visibility {
            let namespaces = self.store.namespaces().into_iter();
            let decided = namespaces.map(|name| {
                let visibility = policies.decide(&self.labels_of(&name));
                (name, visibility)
            });
            let found = decided.filter(|(_, visibility)| *visibility != policies.usual).collect();
            if found != policies.found {
                let entry_visibility = Some(EntryVisibility { found, ..policies.clone() });
                mesh.set_config(MeshConfig { entry_visibility, ..(**mesh.config()).clone() }, changes);
            }
        }
        if mesh.config().entry_visibility != self.mesh.config().entry_visibility {
            dirty.services.extend(self.joins.claims.keys().cloned());
        }
    }
}

/// `service` as far as it may be seen.
pub(super) fn narrowed(mut service: Arc<Service>, mesh: &Mesh) -> Arc<Service> {
    if let Some(policies) = &mesh.config().entry_visibility
        && service.registry == Registry::External
    {
        let namespace = service.namespace().clone();
        let export_to = policies.of(&namespace).narrow(&service.export_to, &namespace);
        if export_to != service.export_to {
            Arc::make_mut(&mut service).export_to = export_to;
        }
    }
    service
}
