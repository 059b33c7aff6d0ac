//! Which namespaces belong to the mesh. What is in others is as if it were not there.
//!
//! In: what a batch of edits touched. Out: the differences by which whole namespaces appear or vanish.

use super::Ingest;
use crate::{kinds::Model, store::Difference};
use mesh_model::{Kind, Labels, Mesh, ObjectRef, Str};
use std::collections::BTreeSet;

/// The label that every namespace has, also one that nobody has written an object for.
const NAME_LABEL: &str = "kubernetes.io/metadata.name";

impl Ingest {
    /// Looks at the namespaces that `touched` is in again, or at all of them when the mesh says differently than before which ones it is
    /// made of.
    pub(super) fn rediscover(&mut self, mesh: &Mesh, touched: BTreeSet<Str>) -> Vec<Difference> {
        let config = mesh.config();
        let asked_before = self.mesh.config().discovery != config.discovery
            || self.mesh.config().root_namespace != config.root_namespace;
        let namespaces = match asked_before {
            true => self.store.namespaces(),
            false if config.discovery.is_empty() => return Vec::new(),
            false => touched,
        };
        let mut differences = Vec::new();
        for namespace in namespaces {
            let hidden = !config.discovers(&namespace, &self.labels_of(&namespace));
            self.store.hide(&namespace, hidden, &mut differences);
        }
        differences
    }

    pub(super) fn labels_of(&self, namespace: &Str) -> Labels {
        let object = ObjectRef::new(Kind::Namespace, "", namespace.clone());
        let mut labels = match self.store.model(&object) {
            Some(Model::Namespace(labels)) => (**labels).clone(),
            _ => Labels::new(),
        };
        labels.entry(NAME_LABEL.into()).or_insert_with(|| namespace.clone());
        labels
    }
}

/// The namespace that `object` is in, or is.
pub(super) fn namespace_of(object: &ObjectRef) -> Option<Str> {
    match object.kind {
        Kind::Namespace => Some(object.name.name.clone()),
        _ => Some(object.name.namespace.clone()).filter(|namespace| !namespace.is_empty()),
    }
}
