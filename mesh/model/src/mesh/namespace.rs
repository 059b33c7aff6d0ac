//! What one namespace has: for questions that end at its border.

use super::Mesh;
use crate::{
    DestinationRule, Kind, NamespacedName, ObjectRef, PeerAuthentication, ProxyConfig, Sidecar, Str, Workload,
};
use imbl::OrdMap;
use std::sync::Arc;

fn of<'a, V>(
    map: &'a OrdMap<NamespacedName, Arc<V>>,
    namespace: &str,
) -> impl Iterator<Item = &'a Arc<V>> + use<'a, V> {
    let namespace = Str::from(namespace);
    let from = NamespacedName::new(namespace.clone(), "");
    map.range(from..).take_while(move |(name, _)| name.namespace == namespace).map(|(_, value)| value)
}

/// Questions about a namespace. All answers are in order of name.
impl Mesh {
    /// Its Sidecars.
    pub fn sidecars_of_namespace<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Sidecar>> + use<'a> {
        of(&self.sidecars, namespace)
    }

    /// Its PeerAuthentications.
    pub fn peer_authentications_of_namespace<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<PeerAuthentication>> + use<'a> {
        of(&self.peer_authentications, namespace)
    }

    /// Its DestinationRules.
    pub fn destination_rules_of_namespace<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<DestinationRule>> + use<'a> {
        of(&self.destination_rules, namespace)
    }

    /// Its ProxyConfigs.
    pub fn proxy_configs_of_namespace<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<ProxyConfig>> + use<'a> {
        of(&self.proxy_configs, namespace)
    }

    /// The namespaces that workloads are in, each kind's in order. Costs as many steps as there are.
    pub fn namespaces_of_workloads(&self) -> impl Iterator<Item = &Str> {
        [Kind::Pod, Kind::WorkloadEntry].into_iter().flat_map(move |kind| {
            let first_from = move |namespace: Str| {
                let (object, _) = self.workloads.range(ObjectRef::new(kind, namespace, "")..).next()?;
                (object.kind == kind).then_some(&object.name.namespace)
            };
            // The next name in order is the same with the smallest character behind it.
            let next = move |namespace: &&Str| first_from(format!("{namespace}\0").into());
            std::iter::successors(first_from(Str::default()), next)
        })
    }

    /// Its workloads: pods first, then WorkloadEntries.
    pub fn workloads_of_namespace<'a>(
        &'a self,
        namespace: &str,
    ) -> impl Iterator<Item = &'a Arc<Workload>> + use<'a> {
        let namespace = Str::from(namespace);
        [Kind::Pod, Kind::WorkloadEntry].into_iter().flat_map(move |kind| {
            let namespace = namespace.clone();
            let from = ObjectRef::new(kind, namespace.clone(), "");
            let range = self.workloads.range(from..);
            range
                .take_while(move |(object, _)| object.kind == kind && object.name.namespace == namespace)
                .map(|(_, workload)| workload)
        })
    }
}
