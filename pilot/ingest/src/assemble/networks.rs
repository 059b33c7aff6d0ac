//! In which network the cluster is: what the label of the root namespace says.
//!
//! In: the mesh with its settings. Out: the settings with that network, and, when networks are others than before, everything that is
//! in one to be derived again.

use super::{Dirty, Ingest};
use crate::kinds::Model;
use mesh_model::{ChangeSet, Kind, Mesh, MeshConfig, NETWORK_LABEL, ObjectRef};

impl Ingest {
    pub(super) fn find_networks(&self, mesh: &mut Mesh, dirty: &mut Dirty, changes: &mut ChangeSet) {
        let root = ObjectRef::new(Kind::Namespace, "", mesh.config().root_namespace.clone());
        let network = match self.store.model(&root) {
            Some(Model::Namespace(labels)) => labels.get(NETWORK_LABEL).cloned().unwrap_or_default(),
            _ => Default::default(),
        };
        if mesh.config().network != network {
            let config = MeshConfig { network, ..(**mesh.config()).clone() };
            mesh.set_config(config, changes);
        }
        let (before, now) = (self.mesh.config(), mesh.config());
        if before.network == now.network && before.networks == now.networks {
            return;
        }
        dirty.workloads.extend(mesh.workloads().map(|workload| workload.object.clone()));
        dirty.services.extend(self.joins.claims.keys().cloned());
    }
}
