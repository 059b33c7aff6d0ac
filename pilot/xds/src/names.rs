//! Sets of subscribed names, interned: streams with equal subscriptions share one set.
//!
//! In: lists of names as clients send them. Out: `Arc<NameSet>`. A set is known by the sum of the keyed hashes of its names, so the
//! set that results from a change is found from the old sum and the change alone: 2,000 streams that make the same change
//! build one set. Knows nothing of resources.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_128_with_seed;

use crate::weak::WeakMap;

/// An immutable sorted set of names.
#[derive(Debug, Default)]
pub struct NameSet {
    names: Box<[Arc<str>]>,
    sum: u128,
}

impl NameSet {
    /// The set's own copy of a name.
    pub fn get(&self, name: &str) -> Option<&Arc<str>> {
        let at = self.names.binary_search_by(|held| (**held).cmp(name)).ok()?;
        self.names.get(at)
    }

    /// Whether the name is in the set.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All names, sorted.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.names.iter()
    }

    /// Number of names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no name.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Identity of the content within this process.
    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }
}

/// The sets in use, shared by all streams.
#[derive(Debug)]
pub struct Names {
    /// Keys the hash, so that a client cannot make up a set that passes for another.
    seed: u64,
    empty: Arc<NameSet>,
    by_sum: Mutex<WeakMap<u128, NameSet>>,
}

impl Default for Names {
    fn default() -> Self {
        let seed = RandomState::new().hash_one(0u8);
        Self { seed, empty: Arc::default(), by_sum: Mutex::new(WeakMap::new(64)) }
    }
}

impl Names {
    /// The set without names.
    pub fn empty(&self) -> Arc<NameSet> {
        self.empty.clone()
    }

    /// The set with some names more. `intern` finds an existing copy of a name, if the caller knows one.
    pub fn with<'a>(
        &self,
        old: &Arc<NameSet>,
        add: impl Iterator<Item = &'a str>,
        intern: impl Fn(&str) -> Option<Arc<str>>,
    ) -> Arc<NameSet> {
        let mut new: Vec<&str> = add.filter(|name| !old.contains(name)).collect();
        let sum = |names: &[&str]| names.iter().fold(old.sum, |sum, name| sum.wrapping_add(self.hash(name)));
        // A set that is in use already is found without sorting, unless names come twice.
        if let Some(set) = self.find(sum(&new), old.len() + new.len()) {
            return set;
        }
        new.sort_unstable();
        new.dedup();
        self.intern(sum(&new), old, old.len() + new.len(), || {
            let mut names: Vec<Arc<str>> = old.names.to_vec();
            names.extend(new.iter().map(|name| intern(name).unwrap_or_else(|| Arc::from(*name))));
            names.sort_unstable();
            names
        })
    }

    /// The set with some names less.
    pub fn without<'a>(&self, old: &Arc<NameSet>, remove: impl Iterator<Item = &'a str>) -> Arc<NameSet> {
        let mut gone: Vec<&str> = remove.filter(|name| old.contains(name)).collect();
        gone.sort_unstable();
        gone.dedup();
        let sum = gone.iter().fold(old.sum, |sum, name| sum.wrapping_sub(self.hash(name)));
        self.intern(sum, old, old.len() - gone.len(), || {
            let kept = old.names.iter().filter(|name| gone.binary_search(&&***name).is_err());
            kept.cloned().collect()
        })
    }

    fn hash(&self, name: &str) -> u128 {
        xxh3_128_with_seed(name.as_bytes(), self.seed)
    }

    fn find(&self, sum: u128, len: usize) -> Option<Arc<NameSet>> {
        let sets = self.by_sum.lock().unwrap_or_else(PoisonError::into_inner);
        sets.get(&sum).filter(|set| set.len() == len)
    }

    fn intern(
        &self,
        sum: u128,
        old: &Arc<NameSet>,
        len: usize,
        build: impl FnOnce() -> Vec<Arc<str>>,
    ) -> Arc<NameSet> {
        if sum == old.sum && len == old.len() {
            return old.clone();
        }
        if len == 0 {
            return self.empty();
        }
        let mut sets = self.by_sum.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = sets.get(&sum)
            && set.len() == len
        {
            return set;
        }
        let set = Arc::new(NameSet { names: build().into_boxed_slice(), sum });
        sets.insert(sum, &set);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_sets_are_one_whatever_the_order() {
        let names = Names::default();
        let one = names.with(&names.empty(), ["a", "b", "b"].into_iter(), |_| None);
        let two = names.with(&names.empty(), ["b"].into_iter(), |_| None);
        let two = names.with(&two, ["a", "b"].into_iter(), |_| None);
        assert!(Arc::ptr_eq(&one, &two));
        let less = names.without(&one, ["a", "x"].into_iter());
        assert_eq!(less.iter().map(|name| &**name).collect::<Vec<_>>(), ["b"]);
        assert!(names.without(&less, ["b"].into_iter()).is_empty());
    }
}
