//! Resources that go out together, and the sharing of big batches between streams that need the same ones.
//!
//! In: a snapshot and a selection. Out: `Arc<Batch>`, whose bytes can be had joined while a storm of equal first pushes lasts.
//! Joined bytes are bounded: over budget a stream joins piece by piece as it sends. No clock: the server calls `sweep` now and then.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::{Bytes, BytesMut};
use xxhash_rust::xxh3::{xxh3_64_with_seed, xxh3_128_with_seed};

use crate::layer::Layer;
use crate::names::NameSet;
use crate::resource::{Protocol, Resource, ResourceType};
use crate::snapshot::Snapshot;

/// Size of the pieces that go out: each is one write of the HTTP/2 layer.
pub(crate) const CHUNK: usize = 32 * 1024;

/// A batch is joined when this many streams have asked for it: the second of a storm pays, a lone one does not.
const JOIN_AT: u32 = 2;

/// Resources of one type that go out in one response, in order.
#[derive(Debug, Default)]
pub struct Batch {
    resources: Box<[Arc<Resource>]>,
    uses: AtomicU32,
    joined: OnceLock<Option<Joined>>,
    budget: Option<Arc<Budget>>,
}

#[derive(Debug)]
struct Joined {
    chunks: Box<[Bytes]>,
    budget: Arc<Budget>,
    bytes: usize,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[derive(Debug)]
struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

impl Batch {
    /// A batch of its own for one stream.
    pub(crate) fn of(resources: Vec<Arc<Resource>>) -> Arc<Self> {
        Arc::new(Self { resources: resources.into_boxed_slice(), ..Self::default() })
    }

    /// A batch that may be joined, as those of first pushes are.
    #[cfg(test)]
    pub(crate) fn shared_for_test(resources: Vec<Arc<Resource>>) -> Arc<Self> {
        let budget = Arc::new(Budget { limit: usize::MAX, used: AtomicUsize::new(0) });
        Arc::new(Self { resources: resources.into_boxed_slice(), budget: Some(budget), ..Self::default() })
    }

    /// Counts one more stream that sends it.
    pub(crate) fn used(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// The resources, in order.
    pub fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// Sum of the entries' lengths.
    pub(crate) fn len(&self, protocol: Protocol) -> usize {
        self.resources.iter().map(|resource| resource.entry_len(protocol)).sum()
    }

    /// The entries joined into chunks, when the batch is in demand and the budget allows it. A shared batch belongs to one protocol.
    pub(crate) fn joined(&self, protocol: Protocol) -> Option<&[Bytes]> {
        let budget = self.budget.as_ref()?;
        if self.uses.load(Ordering::Relaxed) < JOIN_AT {
            return None;
        }
        let joined = self.joined.get_or_init(|| {
            let bytes = self.len(protocol);
            budget.take(bytes).then(|| {
                let chunks = self.join(protocol, bytes);
                Joined { chunks, budget: budget.clone(), bytes }
            })
        });
        joined.as_ref().map(|joined| &*joined.chunks)
    }

    fn join(&self, protocol: Protocol, bytes: usize) -> Box<[Bytes]> {
        let mut all = BytesMut::with_capacity(bytes);
        for resource in &self.resources {
            all.extend_from_slice(resource.entry(protocol));
        }
        let mut all = all.freeze();
        let mut chunks = Vec::with_capacity(bytes / CHUNK + 1);
        while !all.is_empty() {
            chunks.push(all.split_to(CHUNK.min(all.len())));
        }
        chunks.into_boxed_slice()
    }
}

/// A whole type as a first push sends it.
#[derive(Clone, Debug)]
pub(crate) struct Full {
    pub(crate) batch: Arc<Batch>,
    /// Subscribed names that do not exist.
    pub(crate) missing: Arc<[Arc<str>]>,
    /// Sum of the fingerprints of all resources: tells a client that has exactly these without a look at each.
    pub(crate) sum: u128,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    layers: [u64; 2],
    kind: ResourceType,
    protocol: Protocol,
    /// `None` for everything, else the identity of the set of names.
    selection: Option<u128>,
}

/// The full batches that were asked for lately.
#[derive(Debug)]
pub struct Batches {
    /// Keys the fingerprints, so that a client cannot make up versions that pass for others.
    seed: u64,
    budget: Arc<Budget>,
    recent: Mutex<HashMap<Key, Recent>>,
}

#[derive(Debug)]
struct Recent {
    full: Full,
    touched: bool,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} of {:?}", self.kind, self.layers)
    }
}

impl Batches {
    /// Keeps at most this many bytes joined.
    pub fn new(limit: usize) -> Self {
        let seed = RandomState::new().hash_one(0u8);
        Self { seed, budget: Arc::new(Budget { limit, used: AtomicUsize::new(0) }), recent: Mutex::default() }
    }

    /// A number for this version of this name. Those of a list may be summed up in any order.
    pub(crate) fn fingerprint(&self, name: &str, version: &str) -> u128 {
        let seed = self.seed.wrapping_add(xxh3_64_with_seed(version.as_bytes(), self.seed));
        xxh3_128_with_seed(name.as_bytes(), seed)
    }

    /// All resources of a type, or those of them that are named.
    pub(crate) fn full(
        &self,
        snapshot: &Snapshot,
        kind: ResourceType,
        protocol: Protocol,
        selection: Option<&NameSet>,
    ) -> Full {
        // A layer without any does not tell snapshots apart: endpoints and virtual hosts are the scope's alone, so all classes of a
        // scope share them.
        let identity = |layer: &Arc<Layer>| if layer.resources(kind).is_empty() { 0 } else { layer.id() };
        let layers = snapshot.layers.each_ref().map(identity);
        let key = Key { layers, kind, protocol, selection: selection.map(NameSet::sum) };
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = recent.entry(key).or_insert_with(|| {
            let mut missing = Vec::new();
            let resources: Box<[Arc<Resource>]> = match selection {
                None => snapshot.resources(kind).cloned().collect(),
                Some(names) => names
                    .iter()
                    .filter_map(|name| {
                        let found = snapshot.get(kind, name).cloned();
                        if found.is_none() {
                            missing.push(name.clone());
                        }
                        found
                    })
                    .collect(),
            };
            let fingerprint =
                |resource: &Arc<Resource>| self.fingerprint(resource.name(), resource.version());
            let sum = resources.iter().map(fingerprint).fold(0u128, u128::wrapping_add);
            let batch = Batch { resources, budget: Some(self.budget.clone()), ..Batch::default() };
            let full = Full { batch: Arc::new(batch), missing: missing.into(), sum };
            Recent { full, touched: false }
        });
        recent.touched = true;
        recent.full.batch.used();
        recent.full.clone()
    }

    /// Forgets the batches that nobody asked for since the last call. Streams that still send one keep it alive themselves.
    pub fn sweep(&self) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.retain(|_, recent| std::mem::take(&mut recent.touched));
    }
}
