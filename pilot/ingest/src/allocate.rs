//! Numbers for names, as stable as can be.
//!
//! In: keys. Out: a slot for each, decided by the key's hash. Keys whose hashes meet share out the next slots in the keys' own
//! order, so that the same set of keys always has the same slots, in whichever order they came and went.

use std::{collections::BTreeMap, hash::Hasher};

/// Slots `0..size` and who has them.
#[derive(Debug)]
pub struct Allocation<K> {
    size: u32,
    taken: BTreeMap<u32, K>,
}

impl<K: Ord + Clone + std::fmt::Display> Allocation<K> {
    /// An empty one of `size` slots.
    pub fn new(size: u32) -> Self {
        Self { size, taken: BTreeMap::new() }
    }

    fn home(&self, key: &K) -> u32 {
        // FNV-1a, spelled out: the standard hasher may change between releases, and addresses must not.
        let mut hash = Fnv::default();
        hash.write(key.to_string().as_bytes());
        (hash.finish() % u64::from(self.size)) as u32
    }

    /// The slot of `key`, if it has one.
    pub fn get(&self, key: &K) -> Option<u32> {
        let mut slot = self.home(key);
        for _ in 0..self.size {
            match self.taken.get(&slot) {
                Some(found) if found == key => return Some(slot),
                Some(_) => slot = (slot + 1) % self.size,
                None => return None,
            }
        }
        None
    }

    /// Gives `key` a slot. Returns the keys that had to move for it; a key for which there is no room is among them and has none.
    pub fn insert(&mut self, key: K) -> Vec<K> {
        let mut moved = Vec::new();
        if self.get(&key).is_some() {
            return moved;
        }
        let mut carried = key;
        let mut slot = self.home(&carried);
        for _ in 0..self.size {
            match self.taken.get_mut(&slot) {
                None => {
                    self.taken.insert(slot, carried);
                    return moved;
                }
                Some(there) => {
                    if carried < *there {
                        std::mem::swap(there, &mut carried);
                        moved.push(carried.clone());
                    }
                    slot = (slot + 1) % self.size;
                }
            }
        }
        moved.push(carried);
        moved
    }

    /// Takes the slot of `key` back. Returns the keys that moved up.
    pub fn remove(&mut self, key: &K) -> Vec<K> {
        let Some(mut slot) = self.get(key) else { return Vec::new() };
        self.taken.remove(&slot);
        // Whoever was pushed past this slot may have it now: those up to the next gap are placed again.
        let mut displaced = Vec::new();
        loop {
            slot = (slot + 1) % self.size;
            match self.taken.remove(&slot) {
                Some(key) => displaced.push((slot, key)),
                None => break,
            }
        }
        for (_, key) in &displaced {
            self.insert(key.clone());
        }
        displaced.retain(|(slot, key)| self.get(key) != Some(*slot));
        displaced.into_iter().map(|(_, key)| key).collect()
    }
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        // The low bits of FNV alone are weak for short keys.
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Allocation;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn slots_depend_on_who_is_there_and_not_on_history(
            edits in proptest::collection::vec((any::<bool>(), 0_u32..40), 0..200),
        ) {
            let mut lived = Allocation::new(48);
            let mut present = std::collections::BTreeSet::new();
            for (add, key) in edits {
                if add { present.insert(key); lived.insert(key); } else { present.remove(&key); lived.remove(&key); }
            }
            let mut fresh = Allocation::new(48);
            present.iter().rev().for_each(|key| { fresh.insert(*key); });
            prop_assert_eq!(&lived.taken, &fresh.taken);
            prop_assert_eq!(lived.taken.len(), present.len());
        }
    }

    #[test]
    fn moves_are_told() {
        let mut allocation = Allocation::new(4);
        let mut slots = std::collections::BTreeMap::new();
        for key in [9_u32, 7, 5, 3] {
            let moved = allocation.insert(key);
            for (other, slot) in &slots {
                if allocation.get(other) != Some(*slot) {
                    assert!(moved.contains(other), "{other} moved silently");
                }
            }
            slots =
                [9_u32, 7, 5, 3].into_iter().filter_map(|key| Some((key, allocation.get(&key)?))).collect();
        }
        assert_eq!(allocation.insert(1).last(), Some(&9), "the largest finds no room");
        assert_eq!(allocation.get(&9), None);
    }
}
