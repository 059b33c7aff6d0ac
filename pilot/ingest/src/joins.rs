//! Who refers to whom: the indexes by which an edit of one object finds what else it touches.

use crate::{
    few::Few,
    kinds::{EndpointSlice, ServiceGateway},
    local::Replica,
};
use mesh_model::{Kind, Labels, NamespacedName, ObjectRef, ServiceKey, Str};
use std::collections::{BTreeMap, btree_map::Entry};

/// One key, many values.
#[derive(Debug)]
pub struct Index<K, V>(BTreeMap<K, Few<V>>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord, V: Ord> Index<K, V> {
    /// Adds a value.
    pub fn link(&mut self, key: K, value: V) {
        match self.0.entry(key) {
            Entry::Vacant(place) => {
                place.insert(Few::One(value));
            }
            Entry::Occupied(mut values) => values.get_mut().insert(value),
        }
    }

    /// Removes a value.
    pub fn unlink(&mut self, key: &K, value: &V) {
        if self.0.get_mut(key).is_some_and(|values| values.remove(value)) {
            self.0.remove(key);
        }
    }

    /// The values of a key.
    pub fn of<'a>(&'a self, key: &K) -> impl Iterator<Item = &'a V> + use<'a, K, V> {
        self.0.get(key).into_iter().flatten()
    }

    /// All keys that have values.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.keys()
    }

    /// How many values a key has.
    pub fn count(&self, key: &K) -> usize {
        self.0.get(key).map_or(0, Few::len)
    }
}

/// One label of a namespace's objects.
type LabelKey = (Str, Str, Str);

fn label_key(namespace: &Str, (key, value): (&Str, &Str)) -> LabelKey {
    (namespace.clone(), key.clone(), value.clone())
}

/// Whether every pair of `selector` is among `labels`. An empty selector selects nothing.
pub fn selects(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
}

/// Who claims to define a service: Kubernetes before ServiceEntries, older before younger, then by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    external: bool,
    created: i64,
    /// The object that defines the service.
    pub object: ObjectRef,
}

impl Claim {
    /// The claim of a service's own metadata.
    pub fn of(service: &mesh_model::Service) -> Self {
        Self {
            external: service.registry == mesh_model::Registry::External,
            created: service.metadata.created,
            object: service.metadata.object.clone(),
        }
    }
}

/// All indexes.
#[derive(Debug, Default)]
pub struct Joins {
    /// Node -> pods on it.
    pub pods_of_node: Index<Str, ObjectRef>,
    /// Node -> slices with endpoints on it.
    pub slices_of_node: Index<Str, ObjectRef>,
    /// Service -> its slices.
    pub slices_of_service: Index<NamespacedName, ObjectRef>,
    /// Pod -> slices that name it.
    pub slices_of_pod: Index<NamespacedName, ObjectRef>,
    /// Pod -> replicas of that name, by the Deployment that asks for them.
    pub replicas: BTreeMap<ObjectRef, BTreeMap<ObjectRef, Replica>>,
    /// Service -> objects that claim to define it; the first does.
    pub claims: Index<ServiceKey, Claim>,
    /// VirtualService -> those that hand over to it.
    pub roots_of_delegate: Index<NamespacedName, NamespacedName>,
    /// Services that are gateways of networks.
    pub gateways: BTreeMap<ObjectRef, ServiceGateway>,
    /// Secret or ConfigMap -> DestinationRules that name it.
    pub rules_of_credential: Index<ObjectRef, ObjectRef>,
    workloads_of_label: Index<LabelKey, ObjectRef>,
    selectors_of_label: Index<LabelKey, ObjectRef>,
}

impl Joins {
    /// A workload has these labels.
    pub fn link_workload(&mut self, object: &ObjectRef, labels: &Labels) {
        for label in labels {
            self.workloads_of_label.link(label_key(&object.name.namespace, label), object.clone());
        }
    }

    /// A workload no longer has these labels.
    pub fn unlink_workload(&mut self, object: &ObjectRef, labels: &Labels) {
        for label in labels {
            self.workloads_of_label.unlink(&label_key(&object.name.namespace, label), object);
        }
    }

    /// An object selects workloads of its namespace. Held under one of the pairs: that is enough to find it.
    pub fn link_selector(&mut self, object: &ObjectRef, selector: &Labels) {
        if let Some(label) = selector.first_key_value() {
            self.selectors_of_label.link(label_key(&object.name.namespace, label), object.clone());
        }
    }

    /// An object no longer selects by this.
    pub fn unlink_selector(&mut self, object: &ObjectRef, selector: &Labels) {
        if let Some(label) = selector.first_key_value() {
            self.selectors_of_label.unlink(&label_key(&object.name.namespace, label), object);
        }
    }

    /// Objects that may select a workload with these labels; whether they do is for the caller to see.
    pub fn selecting<'a>(
        &'a self,
        namespace: &'a Str,
        labels: &'a Labels,
    ) -> impl Iterator<Item = &'a ObjectRef> {
        labels.iter().flat_map(move |label| self.selectors_of_label.of(&label_key(namespace, label)))
    }

    /// Workloads that may be selected by `selector`: those that have its rarest pair.
    pub fn selected(&self, namespace: &Str, selector: &Labels) -> impl Iterator<Item = &ObjectRef> {
        let rarest = selector
            .iter()
            .map(|label| label_key(namespace, label))
            .min_by_key(|key| self.workloads_of_label.count(key));
        rarest.into_iter().flat_map(|key| self.workloads_of_label.of(&key).collect::<Vec<_>>())
    }

    /// A slice says this.
    pub fn link_slice(&mut self, object: &ObjectRef, slice: &EndpointSlice) {
        self.slices_of_service.link(slice.service.clone(), object.clone());
        for endpoint in &slice.endpoints {
            if let Some(pod) = &endpoint.pod {
                self.slices_of_pod.link(pod.clone(), object.clone());
            }
            if !endpoint.node.is_empty() {
                self.slices_of_node.link(endpoint.node.clone(), object.clone());
            }
        }
    }

    /// A slice no longer says this.
    pub fn unlink_slice(&mut self, object: &ObjectRef, slice: &EndpointSlice) {
        self.slices_of_service.unlink(&slice.service, object);
        for endpoint in &slice.endpoints {
            if let Some(pod) = &endpoint.pod {
                self.slices_of_pod.unlink(pod, object);
            }
            self.slices_of_node.unlink(&endpoint.node, object);
        }
    }

    /// The replica that a pod's name stands for.
    pub fn replica(&self, pod: &ObjectRef) -> Option<&Replica> {
        self.replicas.get(pod)?.values().next()
    }
}

/// The Pod of this name.
pub fn pod(name: &NamespacedName) -> ObjectRef {
    ObjectRef { kind: Kind::Pod, name: name.clone() }
}
