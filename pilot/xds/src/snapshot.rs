//! What one class of proxies is to have at one moment: the layers it shares with other classes, and its own.
//!
//! In: layers from the publisher. Out: lookups and differences over all of them. Knows nothing of streams.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use crate::layer::Layer;
use crate::resource::{Resource, ResourceType};

/// How many layers a snapshot has.
pub const LAYERS: usize = 5;

/// The configuration of a class at one moment. Names are disjoint among the layers; if they are not, the first wins.
///
/// The publisher keeps a snapshot consistent: a route names only clusters of the same snapshot, and a cluster of type EDS has an
/// `Endpoints` resource of its name, even if that is empty. The order of sending relies on both.
#[derive(Debug)]
pub struct Snapshot {
    /// The layer of the scope; what of it depends on the place where the client runs; the names that its services have there; the secrets
    /// of its namespace, as far as the proxy may have them; the layer of the class itself. All but the last are shared by many classes.
    pub layers: [Arc<Layer>; LAYERS],
    /// Position in the sequence of all publications; later is larger. Lets a caller wait until a proxy has it.
    pub sequence: u64,
    /// When the change that led to this snapshot was seen: convergence is measured from here.
    pub since: Instant,
    /// When it was made, to be handed to streams.
    pub made: Instant,
}

impl Snapshot {
    /// A snapshot of these layers.
    pub fn new(layers: [Arc<Layer>; LAYERS], sequence: u64, since: Instant) -> Arc<Self> {
        Arc::new(Self { layers, sequence, since, made: Instant::now() })
    }

    /// A snapshot of all that is in one layer.
    pub fn of(layer: Arc<Layer>, sequence: u64, since: Instant) -> Arc<Self> {
        let mut layers: [Arc<Layer>; LAYERS] = std::array::from_fn(|_| Layer::empty());
        layers[0] = layer;
        Self::new(layers, sequence, since)
    }

    /// A snapshot without resources.
    pub fn empty() -> Arc<Self> {
        Self::new(std::array::from_fn(|_| Layer::empty()), 0, Instant::now())
    }

    /// The resource of that type and name.
    pub fn get(&self, kind: ResourceType, name: &str) -> Option<&Arc<Resource>> {
        self.layers.iter().find_map(|layer| layer.get(kind, name))
    }

    /// All resources of a type.
    pub fn resources(&self, kind: ResourceType) -> impl Iterator<Item = &Arc<Resource>> {
        self.layers.iter().flat_map(move |layer| layer.resources(kind).values())
    }

    /// How many resources of a type there are.
    pub fn count(&self, kind: ResourceType) -> usize {
        self.layers.iter().map(|layer| layer.resources(kind).len()).sum()
    }

    /// The sum of the fingerprints of all resources of a type.
    pub(crate) fn sum(&self, kind: ResourceType) -> u128 {
        self.layers.iter().fold(0, |sum, layer| sum.wrapping_add(layer.sum(kind)))
    }

    /// Resources of a type whose names start with `prefix`.
    pub fn with_prefix<'a>(
        &'a self,
        kind: ResourceType,
        prefix: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Resource>> {
        self.layers.iter().flat_map(move |layer| {
            let from = (Bound::Included(prefix), Bound::Unbounded);
            layer
                .resources(kind)
                .range::<_, str>(from)
                .take_while(move |(name, _)| name.starts_with(prefix))
                .map(|(_, resource)| resource)
        })
    }

    /// Calls `visit` with each name of the type that may differ between `old` and this snapshot.
    pub(crate) fn changed_since(&self, old: &Snapshot, kind: ResourceType, mut visit: impl FnMut(&Arc<str>)) {
        for (new, old) in self.layers.iter().zip(&old.layers) {
            // Mostly they are the same, which is told without a look at them.
            if !Arc::ptr_eq(new, old) {
                new.changed_since(old, kind, &mut visit);
            }
        }
    }

    /// Whether both hold the very same layers.
    pub fn same_content(&self, other: &Snapshot) -> bool {
        self.has_layers(other.layers.each_ref())
    }

    /// Whether it holds these very layers.
    pub fn has_layers(&self, layers: [&Arc<Layer>; LAYERS]) -> bool {
        self.layers.iter().zip(layers).all(|(a, b)| Arc::ptr_eq(a, b))
    }
}
