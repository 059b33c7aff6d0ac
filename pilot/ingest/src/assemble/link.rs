//! Takes what an object means into the indexes, or out of them, and marks what that touches.
//!
//! In: one object's meaning, old or new. Out: changed indexes, and what has to be derived again.

use super::{Dirty, Ingest};
use crate::{
    joins::{Claim, pod},
    kinds::{Model, VirtualServiceDefinition},
    local::{Local, Replica, replicas},
};
use mesh_model::{DestinationRule, Kind, Labels, NamespacedName, ObjectRef, Service, ServiceKey, Str};
use std::collections::BTreeSet;

impl Ingest {
    /// The object no longer means this.
    pub(super) fn unlink(&mut self, object: &ObjectRef, old: &Model, dirty: &mut Dirty) {
        match old {
            Model::Service(old) => {
                self.joins.gateways.remove(object);
                self.unclaim(&old.service, dirty);
                if old.wants_address() {
                    self.readdressed(|local| local.remove_service(&object.name), dirty);
                }
                self.reselect(object, old.service.selector.as_ref(), false, dirty);
            }
            Model::ServiceEntry(old) => {
                for service in &old.services {
                    self.unclaim(service, dirty);
                    self.reselect(object, service.selector.as_ref(), false, dirty);
                }
            }
            Model::EndpointSlice(old) => {
                self.joins.unlink_slice(object, old);
                dirty.services.insert(self.kubernetes_key(&old.service));
            }
            Model::Pod(old) => self.joins.pods_of_node.unlink(&old.node, object),
            Model::Deployment(old) => {
                for (pod, Replica { template: _, owner }) in replicas(old) {
                    if let Some(owners) = self.joins.replicas.get_mut(&pod) {
                        owners.remove(&owner);
                        if owners.is_empty() {
                            self.joins.replicas.remove(&pod);
                            self.rehomed(|local| local.remove_pod(&pod.name), dirty);
                        }
                    }
                    dirty.workloads.insert(pod);
                }
            }
            Model::Node(_) => self.node_changed(&object.name.name, dirty),
            Model::VirtualService(old) => {
                for delegate in old.delegates() {
                    self.joins.roots_of_delegate.unlink(delegate, &object.name);
                }
                self.rejoin(object, old, dirty);
            }
            Model::DestinationRule(old) => {
                for credential in credentials(old) {
                    self.joins.rules_of_credential.unlink(&credential, object);
                    dirty.credentials.insert(credential);
                }
            }
            Model::KeyMaterial(_) => Self::credential_changed(object, dirty),
            Model::Sidecar(_)
            | Model::ProxyConfig(_)
            | Model::PeerAuthentication(_)
            | Model::WorkloadEntry(_)
            | Model::WorkloadGroup(_)
            | Model::Namespace(_)
            | Model::MeshConfig(_) => {}
        }
    }

    /// The object means this now.
    pub(super) fn link(&mut self, object: &ObjectRef, new: &Model, dirty: &mut Dirty) {
        match new {
            Model::Service(new) => {
                if let Some(gateway) = &new.gateway {
                    self.joins.gateways.insert(object.clone(), gateway.clone());
                }
                self.claim(&new.service, dirty);
                if new.wants_address() {
                    self.readdressed(|local| local.add_service(object.name.clone()), dirty);
                }
                self.reselect(object, new.service.selector.as_ref(), true, dirty);
            }
            Model::ServiceEntry(new) => {
                for service in &new.services {
                    self.claim(service, dirty);
                    self.reselect(object, service.selector.as_ref(), true, dirty);
                }
            }
            Model::EndpointSlice(new) => {
                self.joins.link_slice(object, new);
                dirty.services.insert(self.kubernetes_key(&new.service));
            }
            Model::Pod(new) => self.joins.pods_of_node.link(new.node.clone(), object.clone()),
            Model::Deployment(new) => {
                for (pod, replica) in replicas(new) {
                    self.rehomed(|local| local.add_pod(&pod.name), dirty);
                    self.joins
                        .replicas
                        .entry(pod.clone())
                        .or_default()
                        .insert(replica.owner.clone(), replica);
                    dirty.workloads.insert(pod);
                }
            }
            Model::Node(_) => self.node_changed(&object.name.name, dirty),
            Model::VirtualService(new) => {
                for delegate in new.delegates() {
                    self.joins.roots_of_delegate.link(delegate.clone(), object.name.clone());
                }
                self.rejoin(object, new, dirty);
            }
            Model::DestinationRule(new) => {
                for credential in credentials(new) {
                    self.joins.rules_of_credential.link(credential.clone(), object.clone());
                    dirty.credentials.insert(credential);
                }
            }
            Model::KeyMaterial(_) => Self::credential_changed(object, dirty),
            Model::Sidecar(_)
            | Model::ProxyConfig(_)
            | Model::PeerAuthentication(_)
            | Model::WorkloadEntry(_)
            | Model::WorkloadGroup(_)
            | Model::Namespace(_)
            | Model::MeshConfig(_) => {}
        }
    }

    /// A VirtualService differs: so do those that hand over to it, and what is known of those that it hands over to.
    fn rejoin(&self, object: &ObjectRef, value: &VirtualServiceDefinition, dirty: &mut Dirty) {
        dirty.virtual_services.insert(object.name.clone());
        dirty.virtual_services.extend(value.delegates().cloned());
        dirty.virtual_services.extend(self.joins.roots_of_delegate.of(&object.name).cloned());
    }

    fn claim(&mut self, service: &Service, dirty: &mut Dirty) {
        let key = ServiceKey { host: service.host.clone(), namespace: service.namespace().clone() };
        self.joins.claims.link(key.clone(), Claim::of(service));
        dirty.services.insert(key);
    }

    fn unclaim(&mut self, service: &Service, dirty: &mut Dirty) {
        let key = ServiceKey { host: service.host.clone(), namespace: service.namespace().clone() };
        self.joins.claims.unlink(&key, &Claim::of(service));
        dirty.services.insert(key);
    }

    /// An object begins or ends to select. What its replicas serve depends on it.
    fn reselect(&mut self, object: &ObjectRef, selector: Option<&Labels>, begins: bool, dirty: &mut Dirty) {
        let Some(selector) = selector else { return };
        match begins {
            true => self.joins.link_selector(object, selector),
            false => self.joins.unlink_selector(object, selector),
        }
        if object.kind == Kind::Service && !self.joins.replicas.is_empty() {
            let selected = self.joins.selected(&object.name.namespace, selector);
            dirty.workloads.extend(selected.filter(|pod| self.joins.replicas.contains_key(pod)).cloned());
        }
    }

    fn readdressed(&mut self, edit: impl FnOnce(&mut Local) -> Vec<NamespacedName>, dirty: &mut Dirty) {
        for moved in edit(&mut self.local) {
            dirty.services.insert(self.kubernetes_key(&moved));
        }
    }

    fn rehomed(&mut self, edit: impl FnOnce(&mut Local) -> Vec<NamespacedName>, dirty: &mut Dirty) {
        dirty.workloads.extend(edit(&mut self.local).iter().map(pod));
    }

    fn node_changed(&self, node: &Str, dirty: &mut Dirty) {
        dirty.workloads.extend(self.joins.pods_of_node.of(node).cloned());
        for slice in self.joins.slices_of_node.of(node) {
            if let Some(Model::EndpointSlice(slice)) = self.store.model(slice) {
                dirty.services.insert(self.kubernetes_key(&slice.service));
            }
        }
    }
}

/// The Secrets and ConfigMaps that a rule names, all in its own namespace.
fn credentials(rule: &DestinationRule) -> BTreeSet<ObjectRef> {
    let named = rule.given_tls().filter_map(|given| given.credential(rule.metadata.namespace()));
    named.map(|(object, _)| object).collect()
}
