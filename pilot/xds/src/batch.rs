//! Resources that go out together, and the sharing of big batches between streams that need the same ones.
//!
//! In: a snapshot and a selection. Out: a [`Batch`]: each layer's part by itself, in groups that others have in common with it
//! (`group`). No clock: the server calls `sweep` now and then.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::group::{Group, Groups};
use crate::layer::Layer;
use crate::names::NameSet;
use crate::resource::{Protocol, Resource, ResourceType};
use crate::snapshot::Snapshot;

/// A layer with fewer resources of a type is not worth remembering its part.
const FEW: usize = 32;

/// Resources of one type that go out in one response.
#[derive(Debug, Default)]
pub struct Batch {
    groups: Box<[Arc<Group>]>,
}

impl Batch {
    /// A batch of its own for one stream.
    pub(crate) fn of(protocol: Protocol, resources: Vec<Arc<Resource>>) -> Arc<Self> {
        Arc::new(Self { groups: Box::new([Group::new(protocol, resources.into_boxed_slice(), None)]) })
    }

    #[cfg(test)]
    pub(crate) fn of_groups(groups: Vec<Arc<Group>>) -> Arc<Self> {
        Arc::new(Self { groups: groups.into_boxed_slice() })
    }

    /// The resources.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> + Clone {
        self.groups.iter().flat_map(|group| group.resources())
    }

    /// How many resources there are.
    pub fn count(&self) -> usize {
        self.groups.iter().map(|group| group.resources().len()).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// The parts that it is written in.
    pub(crate) fn groups(&self) -> &[Arc<Group>] {
        &self.groups
    }

    /// Sum of the entries' lengths.
    pub(crate) fn len(&self) -> usize {
        self.groups.iter().map(|group| group.len()).sum()
    }
}

/// A whole type as a first push sends it.
#[derive(Debug)]
pub(crate) struct Full {
    pub(crate) batch: Arc<Batch>,
    /// Subscribed names that do not exist.
    pub(crate) missing: Vec<Arc<str>>,
}

/// What is asked for of one layer.
#[derive(PartialEq, Eq, Hash, Debug)]
struct Key {
    layer: u64,
    kind: ResourceType,
    protocol: Protocol,
    /// `None` for everything, else the identity of the set of names.
    selection: Option<u128>,
}

/// What a layer contributes.
#[derive(Clone, Debug)]
struct Part {
    groups: Arc<[Arc<Group>]>,
    count: usize,
    /// Sum of the fingerprints: tells a client that has exactly these without a look at each.
    sum: u128,
}

impl Part {
    fn of(groups: Vec<Arc<Group>>) -> Self {
        let resources = || groups.iter().flat_map(|group| group.resources());
        let sum = resources().fold(0u128, |sum, resource| sum.wrapping_add(resource.fingerprint()));
        let count = resources().count();
        Self { groups: groups.into(), count, sum }
    }
}

/// The parts of layers that were asked for lately.
#[derive(Debug)]
pub struct Batches {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    groups: Groups,
    recent: HashMap<Key, Recent>,
}

#[derive(Debug)]
struct Recent {
    part: Part,
    touched: bool,
}

impl Batches {
    /// Keeps at most this many bytes joined.
    pub fn new(limit: usize) -> Self {
        Self { state: Mutex::new(State { groups: Groups::new(limit), recent: HashMap::new() }) }
    }

    /// All resources of a type, or those of them that are named.
    pub(crate) fn full(
        &self,
        snapshot: &Snapshot,
        kind: ResourceType,
        protocol: Protocol,
        selection: Option<&NameSet>,
    ) -> Full {
        let parts = self.parts(snapshot, kind, protocol, selection);
        let count: usize = parts.iter().map(|part| part.count).sum();
        let groups: Box<[Arc<Group>]> = parts.iter().flat_map(|part| part.groups.iter()).cloned().collect();
        groups.iter().for_each(|group| group.used());
        let missing = match selection {
            Some(names) if count < names.len() => {
                names.iter().filter(|name| snapshot.get(kind, name).is_none()).cloned().collect()
            }
            _ => Vec::new(),
        };
        Full { batch: Arc::new(Batch { groups }), missing }
    }

    /// How many resources [`Self::full`] would name, and the sum of their fingerprints.
    pub(crate) fn sum(
        &self,
        snapshot: &Snapshot,
        kind: ResourceType,
        protocol: Protocol,
        selection: Option<&NameSet>,
    ) -> (usize, u128) {
        if selection.is_none() {
            return (snapshot.count(kind), snapshot.sum(kind));
        }
        let parts = self.parts(snapshot, kind, protocol, selection);
        parts.iter().fold((0, 0), |(count, sum), part| (count + part.count, part.sum.wrapping_add(sum)))
    }

    fn parts(
        &self,
        snapshot: &Snapshot,
        kind: ResourceType,
        protocol: Protocol,
        selection: Option<&NameSet>,
    ) -> Vec<Part> {
        let layers = snapshot.layers.iter().filter(|layer| !layer.resources(kind).is_empty());
        let part = |layer: &Arc<Layer>| {
            if layer.resources(kind).len() < FEW {
                let resources = select(layer, kind, selection).into_iter().cloned().collect();
                return Part::of(vec![Group::new(protocol, resources, None)]);
            }
            let selection_sum = selection.map(NameSet::sum);
            let key = Key { layer: layer.id(), kind, protocol, selection: selection_sum };
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let State { groups, recent } = &mut *state;
            let recent = recent.entry(key).or_insert_with(|| {
                let resources = select(layer, kind, selection);
                Recent { part: Part::of(groups.divide(protocol, resources.into_iter())), touched: false }
            });
            recent.touched = true;
            recent.part.clone()
        };
        layers.map(part).collect()
    }

    /// Forgets the parts that nobody asked for since the last call. Streams that still send one keep it alive themselves.
    pub fn sweep(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { groups, recent } = &mut *state;
        recent.retain(|_, recent| std::mem::take(&mut recent.touched));
        groups.sweep();
    }
}

/// The resources of a layer that are asked for, in order.
fn select<'a>(layer: &'a Layer, kind: ResourceType, selection: Option<&NameSet>) -> Vec<&'a Arc<Resource>> {
    let resources = layer.resources(kind);
    let Some(names) = selection else { return resources.values().collect() };
    if names.len() < resources.len() / 8 {
        return names.iter().filter_map(|name| resources.get(&**name)).collect();
    }
    // Both are sorted.
    let mut names = names.iter().peekable();
    let named = |(name, resource): (&Arc<str>, &'a Arc<Resource>)| {
        while names.next_if(|wanted| *wanted < name).is_some() {}
        names.next_if(|wanted| *wanted == name).map(|_| resource)
    };
    resources.iter().filter_map(named).collect()
}
