//! PeerAuthentications: which services' endpoints they are about.
//!
//! Whether an endpoint takes mTLS is a property of the endpoint, so that all clients see the same; it depends on its label and on what
//! PeerAuthentication allows on its port.

use super::{Dirty, Ingest};
use mesh_model::{Mesh, Str};

impl Ingest {
    /// What workloads of `namespace` take differs; of the root namespace, those of all.
    pub(super) fn peers_changed(&self, namespace: &Str, mesh: &Mesh, dirty: &mut Dirty) {
        let everywhere = *namespace == mesh.config().root_namespace;
        let keys = self.joins.claims.keys().filter(|key| everywhere || key.namespace == *namespace);
        dirty.services.extend(keys.cloned());
    }
}
