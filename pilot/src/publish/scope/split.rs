//! How scopes begin: with nothing, or with what another one holds that is alike.
//!
//! In: a key, the mesh. Out: a scope, all of it derived. Scopes of different namespaces mostly hold the same; what they have in common is
//! there once, as their maps share what is equal. Deriving everything leaves nothing of the other one that is not this one's, too.

use super::{Names, Places, Ports, Routes, ScopeState};
use crate::publish::pool::Pool;
use mesh_model::Mesh;
use pilot_view::ScopeKey;
use pilot_xds::layer::Layer;
use std::collections::{BTreeMap, BTreeSet};

impl ScopeState {
    /// The scope `key` over `mesh`, all of it derived, but no place yet.
    pub fn new(key: ScopeKey, mesh: &Mesh, pool: &Pool) -> Self {
        let nothing = Self {
            key: key.clone(),
            layer: Layer::empty(),
            places: Places::default(),
            names: Names::new(pool),
            hosts: imbl::HashMap::new(),
            ports: Ports::default(),
            routes: Routes::default(),
            own_clusters: BTreeSet::new(),
            own_listeners: BTreeSet::new(),
            members: 0,
            sotw_members: 0,
            defects: BTreeMap::new(),
            is_torn: false,
        };
        nothing.split(key, mesh, pool)
    }

    /// The same for another `key`.
    pub fn split(&self, key: ScopeKey, mesh: &Mesh, pool: &Pool) -> Self {
        let mut state = Self {
            key,
            layer: self.layer.clone(),
            places: Places::default(),
            names: Names::new(pool),
            hosts: self.hosts.clone(),
            ports: self.ports.clone(),
            routes: self.routes.clone(),
            own_clusters: self.own_clusters.clone(),
            own_listeners: self.own_listeners.clone(),
            members: 0,
            sotw_members: 0,
            defects: BTreeMap::new(),
            is_torn: false,
        };
        state.derive_all(mesh, pool);
        state
    }

    /// Whether a scope `key` likely holds much of what this one does.
    pub fn resembles(&self, key: &ScopeKey) -> bool {
        let ScopeKey { sidecar, capture, options, families, has_identity, dns_capture: _, settings, .. } =
            &self.key;
        let same = (sidecar, capture, options, families, has_identity, settings)
            == (&key.sidecar, &key.capture, &key.options, &key.families, &key.has_identity, &key.settings);
        same && !self.routes.inline && !self.is_torn
    }
}
