//! Who sees objects that do not say so themselves.
//!
//! In: an object and the mesh's defaults. Out: the object as the mesh holds it. Where the defaults say nothing, that is the object
//! itself: nothing is copied.

use super::{Dirty, Ingest};
use crate::kinds::Model;
use mesh_model::{
    ChangeSet, DefaultExport, DefaultExports, DestinationRule, ExportTo, Mesh, Service, Str, VirtualService,
};
use std::sync::Arc;

/// A kind that is seen or not.
pub(super) trait Exported: Clone {
    /// Who sees it, and the defaults for its kind.
    fn export_to<'a>(&'a mut self, mesh: &'a Mesh) -> (&'a mut ExportTo, &'a DefaultExport, Str);
}

impl Exported for Service {
    fn export_to<'a>(&'a mut self, mesh: &'a Mesh) -> (&'a mut ExportTo, &'a DefaultExport, Str) {
        let namespace = self.namespace().clone();
        (&mut self.export_to, &mesh.config().exports.services, namespace)
    }
}

impl Exported for VirtualService {
    fn export_to<'a>(&'a mut self, mesh: &'a Mesh) -> (&'a mut ExportTo, &'a DefaultExport, Str) {
        let namespace = self.metadata.namespace().clone();
        (&mut self.export_to, &mesh.config().exports.virtual_services, namespace)
    }
}

impl Exported for DestinationRule {
    fn export_to<'a>(&'a mut self, mesh: &'a Mesh) -> (&'a mut ExportTo, &'a DefaultExport, Str) {
        let namespace = self.metadata.namespace().clone();
        (&mut self.export_to, &mesh.config().exports.destination_rules, namespace)
    }
}

/// `value` as `mesh` holds it.
pub(super) fn exported<T: Exported>(mut value: Arc<T>, mesh: &Mesh) -> Arc<T> {
    if mesh.config().exports != DefaultExports::default() {
        let (export_to, defaults, namespace) = Arc::make_mut(&mut value).export_to(mesh);
        *export_to = defaults.resolve(export_to, &namespace);
    }
    value
}

impl Ingest {
    /// The defaults differ: so may everything that goes by them.
    pub(super) fn export_again(&self, mesh: &mut Mesh, dirty: &mut Dirty, changes: &mut ChangeSet) {
        dirty.services.extend(self.joins.claims.keys().cloned());
        for (object, model) in self.store.models() {
            match model {
                Model::VirtualService(_) => {
                    dirty.virtual_services.insert(object.name.clone());
                }
                Model::DestinationRule(value) => {
                    let value = exported(value.clone(), mesh);
                    mesh.set_destination_rule(object.name.clone(), Some(value), changes);
                }
                _ => {}
            }
        }
    }
}
