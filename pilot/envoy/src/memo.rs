//! Equal specs, one encoding: whoever asks, on whatever thread.
//!
//! In: a spec. Out: its [`Resource`], shared with all that asked for an equal one. The memo holds no resource alive: what
//! no snapshot refers to any more is gone, and its entry is swept away later. It must not know what specs mean.

use crate::Encode;
use pilot_xds::{resource::Resource, weak::WeakMap};
use std::{
    hash::{BuildHasher, BuildHasherDefault, Hash, Hasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// Enough that threads seldom wait for each other, and a power of two.
const SHARDS: usize = 16;

/// A shard is not swept before it has this many entries.
const SWEEP_AT_LEAST: usize = 1024;

/// The resources in use, by the fingerprint of their specs.
///
/// A fingerprint stands in for the spec itself, which would otherwise be kept alive here: 16 bytes instead of some hundred.
/// It is made of two hashes under secret keys, so that specs with equal fingerprints neither occur nor can be made up.
#[derive(Debug)]
pub struct Memo {
    keys: [RandomState; 2],
    shards: [Mutex<Shard>; SHARDS],
    encoded: AtomicU64,
    shared: AtomicU64,
}

/// How often the memo encoded and how often it did not have to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoStats {
    /// Resources that were encoded.
    pub encoded: u64,
    /// Resources that were there already.
    pub shared: u64,
    /// Entries now, those of dropped resources that are not swept yet included.
    pub entries: usize,
}

type Shard = WeakMap<u128, Resource, BuildHasherDefault<Identity>>;

impl Default for Memo {
    fn default() -> Self {
        Self {
            keys: [RandomState::new(), RandomState::new()],
            shards: std::array::from_fn(|_| Mutex::new(WeakMap::new(SWEEP_AT_LEAST))),
            encoded: AtomicU64::new(0),
            shared: AtomicU64::new(0),
        }
    }
}

impl Memo {
    /// An empty memo. One is enough for a process.
    pub fn new() -> Self {
        Self::default()
    }

    /// The resource that the spec describes.
    pub fn get(&self, spec: &impl Encode) -> Arc<Resource> {
        let fingerprint = self.fingerprint(spec);
        let shard = &self.shards[fingerprint as usize % SHARDS];
        let found = lock(shard).get(&fingerprint);
        if let Some(resource) = found {
            self.shared.fetch_add(1, Ordering::Relaxed);
            return resource;
        }
        // Encoded without the lock. Two threads may do it at once; the first to come back wins, so that all share one.
        let encoded = spec.encode();
        self.encoded.fetch_add(1, Ordering::Relaxed);
        let mut shard = lock(shard);
        if let Some(earlier) = shard.get(&fingerprint) {
            return earlier;
        }
        shard.insert(fingerprint, &encoded);
        encoded
    }

    /// What it did so far.
    pub fn stats(&self) -> MemoStats {
        MemoStats {
            encoded: self.encoded.load(Ordering::Relaxed),
            shared: self.shared.load(Ordering::Relaxed),
            entries: self.shards.iter().map(|shard| lock(shard).len()).sum(),
        }
    }

    fn fingerprint(&self, spec: &impl Encode) -> u128 {
        let mut twin = Twin(self.keys.each_ref().map(RandomState::build_hasher));
        // Specs of two types may hash alike.
        spec.kind().hash(&mut twin);
        spec.hash(&mut twin);
        let [high, low] = twin.0.map(|hasher| u128::from(hasher.finish()));
        high << 64 | low
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    // A map is whole whenever the lock is free: nothing in between can panic.
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two hashers fed at once: one walk through the spec gives 128 bits.
struct Twin<H>([H; 2]);

impl<H: Hasher> Hasher for Twin<H> {
    fn write(&mut self, bytes: &[u8]) {
        self.0.iter_mut().for_each(|hasher| hasher.write(bytes));
    }

    /// Not what a twin is for: half of it.
    fn finish(&self) -> u64 {
        self.0[0].finish()
    }
}

/// Fingerprints are hashes already.
#[derive(Debug, Default, Clone, Copy)]
struct Identity(u64);

impl Hasher for Identity {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u128(&mut self, fingerprint: u128) {
        // The low bits chose the shard; these choose the place in it.
        self.0 = (fingerprint >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilot_view::spec::EndpointsSpec;

    fn endpoints(cluster: &str) -> EndpointsSpec {
        EndpointsSpec {
            cluster: cluster.into(),
            endpoints: Default::default(),
            preference: Default::default(),
        }
    }

    #[test]
    fn equal_specs_share_one_resource() {
        let memo = Memo::new();
        let first = memo.get(&endpoints("a"));
        assert!(Arc::ptr_eq(&first, &memo.get(&endpoints("a"))));
        assert!(!Arc::ptr_eq(&first, &memo.get(&endpoints("b"))));
        assert_eq!(memo.stats(), MemoStats { encoded: 2, shared: 1, entries: 2 });
    }

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let memo = Memo::new();
        let kept = memo.get(&endpoints("kept"));
        for round in 0..200_000 {
            memo.get(&endpoints(&round.to_string()));
        }
        assert!(memo.stats().entries <= SHARDS * SWEEP_AT_LEAST, "{:?}", memo.stats());
        assert!(Arc::ptr_eq(&kept, &memo.get(&endpoints("kept"))));
    }

    #[test]
    fn threads_share_too() {
        let memo = Memo::new();
        let names: Vec<String> = (0..500).map(|number| format!("cluster-{number}")).collect();
        let all = |memo: &Memo| names.iter().map(|name| memo.get(&endpoints(name))).collect::<Vec<_>>();
        let (one, two) = std::thread::scope(|scope| {
            let other = scope.spawn(|| all(&memo));
            (all(&memo), other.join().unwrap())
        });
        assert!(one.iter().zip(&two).all(|(one, two)| Arc::ptr_eq(one, two)));
    }
}
