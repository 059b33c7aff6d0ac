//! What is not the same in two moments of the mesh.
//!
//! In: two snapshots. Out: each value that came, went or differs. Parts that both share are not looked into: the work is that of the edits
//! between the two, not that of the mesh.

use super::{Mesh, ServiceKey};
use crate::{
    Credential, DestinationRule, NamespacedName, ObjectRef, PeerAuthentication, Service, ServiceEndpoints,
    Sidecar, VirtualService, Workload,
};
use imbl::{OrdMap, ordmap::DiffItem};
use std::sync::Arc;

/// A value of the mesh as it was, and as it is; one of the two may be absent.
pub type Change<'a, V> = [Option<&'a Arc<V>>; 2];

/// What differs between `before` and `now`, by key.
fn changed<'a, K: Ord + Clone, V: PartialEq>(
    before: &'a OrdMap<K, Arc<V>>,
    now: &'a OrdMap<K, Arc<V>>,
) -> impl Iterator<Item = (&'a K, Change<'a, V>)> {
    before.diff(now).map(|item| match item {
        DiffItem::Add(key, value) => (key, [None, Some(value)]),
        DiffItem::Update { old: (_, old), new: (key, new) } => (key, [Some(old), Some(new)]),
        DiffItem::Remove(key, value) => (key, [Some(value), None]),
    })
}

/// Differences from an earlier mesh.
impl Mesh {
    /// Services that differ from those of `before`.
    pub fn changed_services<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a ServiceKey, Change<'a, Service>)> {
        changed(&before.services, &self.services)
    }

    /// Endpoints that differ from those of `before`.
    pub fn changed_endpoints<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a ServiceKey, Change<'a, ServiceEndpoints>)> {
        changed(&before.endpoints, &self.endpoints)
    }

    /// VirtualServices that differ from those of `before`.
    pub fn changed_virtual_services<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a NamespacedName, Change<'a, VirtualService>)> {
        changed(&before.virtual_services, &self.virtual_services)
    }

    /// DestinationRules that differ from those of `before`.
    pub fn changed_destination_rules<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a NamespacedName, Change<'a, DestinationRule>)> {
        changed(&before.destination_rules, &self.destination_rules)
    }

    /// Sidecars that differ from those of `before`.
    pub fn changed_sidecars<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a NamespacedName, Change<'a, Sidecar>)> {
        changed(&before.sidecars, &self.sidecars)
    }

    /// PeerAuthentications that differ from those of `before`.
    pub fn changed_peer_authentications<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a NamespacedName, Change<'a, PeerAuthentication>)> {
        changed(&before.peer_authentications, &self.peer_authentications)
    }

    /// Credentials that differ from those of `before`.
    pub fn changed_credentials<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a ObjectRef, Change<'a, Credential>)> {
        changed(&before.credentials, &self.credentials)
    }

    /// Workloads that differ from those of `before`.
    pub fn changed_workloads<'a>(
        &'a self,
        before: &'a Self,
    ) -> impl Iterator<Item = (&'a ObjectRef, Change<'a, Workload>)> {
        changed(&before.workloads, &self.workloads)
    }
}
