//! In which network the cluster is, and how networks are reached: what the label of the root namespace says, the settings, and Services that are
//! gateways.
//!
//! In: the mesh with its settings. Out: the settings with these networks, and, when networks are others than before, everything that is
//! in one to be derived again.

use super::{Dirty, Ingest};
use crate::kinds::{MOST_GATEWAYS, Model};
use mesh_model::{ChangeSet, Kind, Mesh, MeshConfig, NETWORK_LABEL, Network, ObjectRef};

impl Ingest {
    pub(super) fn find_networks(&self, mesh: &mut Mesh, dirty: &mut Dirty, changes: &mut ChangeSet) {
        let root = ObjectRef::new(Kind::Namespace, "", mesh.config().root_namespace.clone());
        let network = match self.store.model(&root) {
            Some(Model::Namespace(labels)) => labels.get(NETWORK_LABEL).cloned().unwrap_or_default(),
            _ => Default::default(),
        };
        let networks = self.networks_with_gateways();
        if mesh.config().network != network || mesh.config().networks != networks {
            let config = MeshConfig { network, networks, ..(**mesh.config()).clone() };
            mesh.set_config(config, changes);
        }
        let (before, now) = (self.mesh.config(), mesh.config());
        if before.network == now.network && before.networks == now.networks {
            return;
        }
        dirty.workloads.extend(mesh.workloads().map(|workload| workload.object.clone()));
        dirty.services.extend(self.joins.claims.keys().cloned());
    }

    /// The networks of the settings, sorted by name, and those that Services are gateways of.
    fn networks_with_gateways(&self) -> Vec<Network> {
        let mut networks = self.networks.clone();
        for service in self.joins.gateways.values().filter(|service| !service.gateways.is_empty()) {
            let at = networks.binary_search_by(|known| known.name.cmp(&service.network));
            let at = at.unwrap_or_else(|at| {
                let network =
                    Network { name: service.network.clone(), ranges: Vec::new(), gateways: Vec::new() };
                networks.insert(at, network);
                at
            });
            let gateways = &mut networks[at].gateways;
            gateways.extend(&service.gateways);
            gateways.sort();
            gateways.dedup();
            gateways.truncate(MOST_GATEWAYS);
        }
        networks
    }
}
