//! How much there is, for metrics.
//!
//! In: the publisher's state at a scrape. Out: numbers. What takes a look at each service or resource is done when the lock is given back.

use super::{Publisher, scope::ScopeState};
use mesh_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use pilot_view::ListenerKey;
use pilot_xds::{
    layer::Layer,
    resource::{Resource, ResourceType},
};
use prost::Message;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Less than this, besides its name, and an assignment may be one without endpoints.
const NEARLY_NOTHING: usize = 64;

/// How much the publisher keeps, and how much of it does not work as it is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counts {
    pub services: usize,
    pub virtual_services: usize,
    pub scopes: usize,
    pub places: usize,
    pub classes: usize,
    pub proxies: usize,
    pub encoded: usize,
    /// Proxies beside workloads that no service sends requests to.
    pub without_service: usize,
    /// Proxies beside workloads of which two services say that different protocols are spoken on one port.
    pub disputed: usize,
    /// Addresses and ports where a service takes no connections, because an older one does.
    pub taken: usize,
    /// Clusters in use that have no endpoints.
    pub without_endpoints: usize,
}

impl Publisher {
    /// How many scopes, classes and proxies there are, and so on.
    pub fn counts(&self) -> Counts {
        let state = self.lock();
        let mesh = state.mesh.clone();
        let in_use = || state.scopes.values().filter(|scope| !scope.is_vacant());
        let standing = || state.proxies.values().map(|subscriber| subscriber.home.standing);
        let taken: BTreeSet<ListenerKey> =
            in_use().flat_map(|scope| scope.conflicts().map(|(key, _)| key.clone())).collect();
        // Many scopes and places have the same one.
        let layers: BTreeMap<u64, Arc<Layer>> =
            in_use().flat_map(ScopeState::place_layers).map(|layer| (layer.id(), layer.clone())).collect();
        let counts = Counts {
            services: 0,
            virtual_services: 0,
            scopes: in_use().count(),
            places: state.scopes.values().map(ScopeState::places).sum(),
            classes: state.classes.count(),
            proxies: state.proxies.len(),
            encoded: state.pool.memo().stats().entries,
            without_service: standing().filter(|standing| !standing.is_served).count(),
            disputed: standing().filter(|standing| standing.is_disputed).count(),
            taken: taken.len(),
            without_endpoints: 0,
        };
        drop(state);
        let assignments = layers.values().flat_map(|layer| layer.resources(ResourceType::Endpoints).values());
        let without: BTreeSet<&str> =
            assignments.filter(|resource| is_empty(resource)).map(|resource| &**resource.name()).collect();
        let without_endpoints = without.len();
        let (services, virtual_services) = (mesh.services().count(), mesh.virtual_services().count());
        Counts { services, virtual_services, without_endpoints, ..counts }
    }

    /// How many snapshots have been handed to proxies since the start.
    pub fn handed(&self) -> u64 {
        self.lock().handed
    }
}

/// Whether an assignment has no endpoints.
fn is_empty(assignment: &Resource) -> bool {
    let message = assignment.message();
    message.len() < assignment.name().len() + NEARLY_NOTHING
        && ClusterLoadAssignment::decode(message)
            .is_ok_and(|assignment| assignment.endpoints.iter().all(|of| of.lb_endpoints.is_empty()))
}
