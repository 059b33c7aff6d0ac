//! A map that keeps nothing alive.
//!
//! In: shared values under keys. Out: those that somebody still holds. Entries of the others are swept away when the map has doubled
//! since the last time, so that each sweep is paid for by as many insertions as it left entries.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Weak};

/// Values in use, by key.
#[derive(Debug)]
pub struct WeakMap<K, V, S = RandomState> {
    entries: HashMap<K, Weak<V>, S>,
    /// Not swept before it has this many entries.
    at_least: usize,
    sweep_at: usize,
}

impl<K: Hash + Eq, V, S: BuildHasher + Default> WeakMap<K, V, S> {
    /// An empty map, which is not swept before it has so many entries.
    pub fn new(at_least: usize) -> Self {
        Self { entries: HashMap::default(), at_least, sweep_at: at_least }
    }

    /// The value under a key, if somebody holds it.
    pub fn get(&self, key: &K) -> Option<Arc<V>> {
        self.entries.get(key).and_then(Weak::upgrade)
    }

    /// Puts a value under a key.
    pub fn insert(&mut self, key: K, value: &Arc<V>) {
        if self.entries.len() >= self.sweep_at {
            self.sweep();
        }
        self.entries.insert(key, Arc::downgrade(value));
    }

    /// Forgets the values that nobody holds.
    pub fn sweep(&mut self) {
        self.entries.retain(|_, value| value.strong_count() > 0);
        self.sweep_at = (self.entries.len() * 2).max(self.at_least);
    }

    /// How many entries there are, those of values that nobody holds included.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_holds_is_forgotten() {
        let mut map = WeakMap::<u32, u32>::new(10);
        let held = Arc::new(7);
        map.insert(7, &held);
        for key in 100..1000 {
            map.insert(key, &Arc::new(key));
        }
        assert!(map.len() <= 10, "{}", map.len());
        assert_eq!(map.get(&7), Some(held));
        assert_eq!(map.get(&999), None);
    }
}
