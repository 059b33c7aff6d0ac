//! The snapshot: everything that is known about the mesh at one moment, indexed for the questions `view` asks.
//!
//! Built by ingest through the `set_*` functions; immutable once shared. Maps are persistent: a clone is a pointer, and an
//! edit copies only the path to what it changes.

mod difference;
mod mentions;
mod namespace;
mod questions;

pub use difference::Change;
use mentions::{destinations, single_vips, source_labels};

use crate::{
    ChangeSet, Credential, DestinationRule, Host, MeshConfig, NamespacedName, ObjectRef, PeerAuthentication,
    ProxyConfig, Service, ServiceEndpoints, Sidecar, Str, VirtualService, Workload,
    client_needs::ClientNeeds,
};
use imbl::{OrdMap, OrdSet};
use std::{net::IpAddr, sync::Arc};

/// A service's identity: two namespaces may each define the same host (ServiceEntries).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceKey {
    /// Fully qualified host.
    pub host: Host,
    /// Namespace of the object that defines it.
    pub namespace: Str,
}

/// The mesh.
#[derive(Debug, Clone, Default)]
pub struct Mesh {
    /// Mesh-wide settings.
    config: Arc<MeshConfig>,
    services: OrdMap<ServiceKey, Arc<Service>>,
    endpoints: OrdMap<ServiceKey, Arc<ServiceEndpoints>>,
    virtual_services: OrdMap<NamespacedName, Arc<VirtualService>>,
    destination_rules: OrdMap<NamespacedName, Arc<DestinationRule>>,
    sidecars: OrdMap<NamespacedName, Arc<Sidecar>>,
    peer_authentications: OrdMap<NamespacedName, Arc<PeerAuthentication>>,
    proxy_configs: OrdMap<NamespacedName, Arc<ProxyConfig>>,
    credentials: OrdMap<ObjectRef, Arc<Credential>>,
    workloads: OrdMap<ObjectRef, Arc<Workload>>,
    // Indexes, derived from the maps above by the setters.
    services_of_namespace: OrdMap<Str, OrdSet<Host>>,
    services_of_vip: OrdMap<IpAddr, OrdSet<ServiceKey>>,
    aliases_of_host: OrdMap<Host, OrdSet<ServiceKey>>,
    virtual_services_of_host: OrdMap<Host, OrdSet<NamespacedName>>,
    virtual_services_to_host: OrdMap<Host, OrdSet<NamespacedName>>,
    destination_rules_of_host: OrdMap<Host, OrdSet<NamespacedName>>,
    // Several while an address passes from an old pod to a new one: then the first by name counts, whichever came first.
    workloads_of_address: OrdMap<IpAddr, OrdSet<ObjectRef>>,
    source_label_keys: OrdMap<Str, usize>,
    client_needs: ClientNeeds,
    /// Services with resolution DYNAMIC_DNS.
    dynamic_services: usize,
}

fn link<K: Ord + Clone, V: Ord + Clone>(index: &mut OrdMap<K, OrdSet<V>>, key: K, value: V) {
    index.entry(key).or_default().insert(value);
}

fn unlink<K: Ord + Clone, V: Ord + Clone>(index: &mut OrdMap<K, OrdSet<V>>, key: &K, value: &V) {
    if let Some(values) = index.get_mut(key) {
        values.remove(value);
        if values.is_empty() {
            index.remove(key);
        }
    }
}

/// A value before and after.
type Step<V> = (Option<Arc<V>>, Option<Arc<V>>);

/// Replaces `map[key]` and gives back what was there, or `None` when that makes no difference.
fn replace<K: Ord + Clone, V: PartialEq>(
    map: &mut OrdMap<K, Arc<V>>,
    key: K,
    value: Option<Arc<V>>,
) -> Option<Step<V>> {
    let old = map.get(&key).cloned();
    if old == value {
        return None;
    }
    match &value {
        Some(value) => map.insert(key, value.clone()),
        None => map.remove(&key),
    };
    Some((old, value))
}

/// Edits. Each takes the new value (`None` removes) and adds to `changes` what may be affected; equal values change nothing.
impl Mesh {
    /// Replaces the mesh-wide settings.
    pub fn set_config(&mut self, config: MeshConfig, changes: &mut ChangeSet) {
        if *self.config != config {
            self.config = Arc::new(config);
            changes.everything = true;
        }
    }

    /// Replaces a service.
    pub fn set_service(&mut self, key: ServiceKey, service: Option<Arc<Service>>, changes: &mut ChangeSet) {
        let Some((old, new)) = replace(&mut self.services, key.clone(), service) else { return };
        for vip in old.iter().flat_map(|old| single_vips(old)) {
            unlink(&mut self.services_of_vip, &vip, &key);
        }
        for vip in new.iter().flat_map(|new| single_vips(new)) {
            link(&mut self.services_of_vip, vip, key.clone());
        }
        changes.everything |= self.client_needs.replace_service(old.as_deref(), new.as_deref());
        let dynamic = |service: &Option<Arc<Service>>| {
            usize::from(
                service.as_ref().is_some_and(|service| service.resolution == crate::Resolution::DynamicDns),
            )
        };
        let before = self.dynamic_services;
        self.dynamic_services = before + dynamic(&new) - dynamic(&old);
        // All listeners name its cluster, or none does.
        changes.everything |= old.iter().chain(&new).any(|service| self.config.tells(&service.host));
        // Every proxy begins or ends to look names up.
        changes.everything |= (before == 0) != (self.dynamic_services == 0);
        if let Some(target) = old.as_ref().and_then(|old| old.alias_of()) {
            unlink(&mut self.aliases_of_host, target, &key);
            changes.hosts.insert(target.clone());
        }
        if let Some(target) = new.as_ref().and_then(|new| new.alias_of()) {
            link(&mut self.aliases_of_host, target.clone(), key.clone());
            changes.hosts.insert(target.clone());
        }
        // A name that others call by its address too: who owns the address may change.
        let vips = old.iter().chain(&new).flat_map(|service| single_vips(service));
        let sharers =
            vips.filter_map(|vip| self.services_of_vip.get(&vip)).flatten().map(|key| key.host.clone());
        changes.hosts.extend(sharers);
        match new {
            Some(_) => link(&mut self.services_of_namespace, key.namespace, key.host.clone()),
            None => unlink(&mut self.services_of_namespace, &key.namespace, &key.host),
        }
        changes.served.insert(key.host.clone());
        changes.hosts.insert(key.host);
    }

    /// Replaces a service's endpoints.
    pub fn set_endpoints(
        &mut self,
        key: ServiceKey,
        endpoints: Option<Arc<ServiceEndpoints>>,
        changes: &mut ChangeSet,
    ) {
        let Some((old, new)) = replace(&mut self.endpoints, key.clone(), endpoints) else { return };
        let same = match (&old, &new) {
            (Some(old), Some(new)) => old.has_same_identities(new),
            (None, None) => true,
            (Some(only), None) | (None, Some(only)) => only.has_same_identities(&ServiceEndpoints::default()),
        };
        if !same {
            changes.identities.insert(key.host.clone());
        }
        changes.endpoints.insert(key.host);
    }

    /// Replaces a VirtualService.
    pub fn set_virtual_service(
        &mut self,
        name: NamespacedName,
        value: Option<Arc<VirtualService>>,
        changes: &mut ChangeSet,
    ) {
        let Some((old, new)) = replace(&mut self.virtual_services, name.clone(), value) else { return };
        if let Some(old) = &old {
            for host in &old.hosts {
                unlink(&mut self.virtual_services_of_host, host, &name);
            }
            for host in destinations(old) {
                unlink(&mut self.virtual_services_to_host, host, &name);
            }
            for key in source_labels(old) {
                if let Some(count) = self.source_label_keys.get_mut(key) {
                    *count -= 1;
                    if *count == 0 {
                        self.source_label_keys.remove(key);
                        changes.everything = true;
                    }
                }
            }
        }
        if let Some(new) = &new {
            for host in &new.hosts {
                link(&mut self.virtual_services_of_host, host.clone(), name.clone());
            }
            for host in destinations(new) {
                link(&mut self.virtual_services_to_host, host.clone(), name.clone());
            }
            for key in source_labels(new) {
                // A label that begins to matter splits scopes: every proxy is classed again.
                changes.everything |= !self.source_label_keys.contains_key(key);
                *self.source_label_keys.entry(key.clone()).or_insert(0) += 1;
            }
        }
        changes.hosts.extend(old.iter().chain(&new).flat_map(|value| value.hosts.iter().cloned()));
        changes.destinations.extend(old.iter().chain(&new).flat_map(|value| destinations(value)).cloned());
    }

    /// Replaces a DestinationRule.
    pub fn set_destination_rule(
        &mut self,
        name: NamespacedName,
        value: Option<Arc<DestinationRule>>,
        changes: &mut ChangeSet,
    ) {
        let Some((old, new)) = replace(&mut self.destination_rules, name.clone(), value) else { return };
        // A label that begins to matter splits scopes: every proxy is classed again.
        changes.everything |= self.client_needs.replace_rule(old.as_deref(), new.as_deref());
        if let Some(old) = &old {
            unlink(&mut self.destination_rules_of_host, &old.host, &name);
        }
        if let Some(new) = &new {
            link(&mut self.destination_rules_of_host, new.host.clone(), name);
        }
        for value in old.iter().chain(&new) {
            changes.served.insert(value.host.clone());
            changes.hosts.insert(value.host.clone());
        }
    }

    /// Replaces a Sidecar. One in the root namespace without selector is every namespace's default.
    pub fn set_sidecar(
        &mut self,
        name: NamespacedName,
        value: Option<Arc<Sidecar>>,
        changes: &mut ChangeSet,
    ) {
        let namespace = name.namespace.clone();
        if replace(&mut self.sidecars, name, value).is_some() {
            changes.everything |= namespace == self.config.root_namespace;
            changes.namespaces.insert(namespace);
        }
    }

    /// Replaces a PeerAuthentication. Whether endpoints take mTLS is told with the endpoints.
    pub fn set_peer_authentication(
        &mut self,
        name: NamespacedName,
        value: Option<Arc<PeerAuthentication>>,
        changes: &mut ChangeSet,
    ) {
        let namespace = name.namespace.clone();
        if replace(&mut self.peer_authentications, name, value).is_some() {
            changes.peers.insert(namespace);
        }
    }

    /// Replaces a ProxyConfig.
    pub fn set_proxy_config(
        &mut self,
        name: NamespacedName,
        value: Option<Arc<ProxyConfig>>,
        changes: &mut ChangeSet,
    ) {
        changes.starts |= replace(&mut self.proxy_configs, name, value).is_some();
    }

    /// Replaces a credential. Whether connections can be made with it is a matter of the hosts whose rules name it.
    pub fn set_credential(
        &mut self,
        object: ObjectRef,
        value: Option<Arc<Credential>>,
        changes: &mut ChangeSet,
    ) {
        let Some((old, new)) = replace(&mut self.credentials, object.clone(), value) else { return };
        for rule in old.iter().chain(&new).flat_map(|value| &value.named_by) {
            changes.hosts.extend(self.destination_rule(&rule.name).map(|rule| rule.host.clone()));
        }
        changes.credentials.insert(object);
    }

    /// Replaces a workload.
    pub fn set_workload(&mut self, object: ObjectRef, value: Option<Arc<Workload>>, changes: &mut ChangeSet) {
        let Some((old, new)) = replace(&mut self.workloads, object.clone(), value) else { return };
        for address in old.iter().flat_map(|old| &old.addresses) {
            unlink(&mut self.workloads_of_address, address, &object);
        }
        for address in new.iter().flat_map(|new| &new.addresses) {
            link(&mut self.workloads_of_address, *address, object.clone());
        }
        changes.workloads.insert(object);
    }
}
