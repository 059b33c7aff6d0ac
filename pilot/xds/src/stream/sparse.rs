//! A map that has nothing in it most of the time, and takes no more than a pointer then: each stream has dozens of them.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::ops::Deref;

/// Reads as a `BTreeMap`; changes go through its own methods, which make one only to put something in.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a pointer is what it is to take while it is empty")]
pub(crate) struct SparseMap<K, V>(Option<Box<BTreeMap<K, V>>>);

impl<K, V> SparseMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().flat_map(|map| map.values_mut())
    }
}

impl<K: Ord, V> SparseMap<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.get_or_insert_default().insert(key, value)
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let removed = self.0.as_mut()?.remove(key);
        self.0.take_if(|map| map.is_empty());
        removed
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.as_mut()?.get_mut(key)
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        if let Some(map) = &mut self.0 {
            map.retain(keep);
        }
        self.0.take_if(|map| map.is_empty());
    }
}

impl<K, V> Deref for SparseMap<K, V> {
    type Target = BTreeMap<K, V>;

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Some(map) => map,
            None => const { &BTreeMap::new() },
        }
    }
}

impl<'a, K, V> IntoIterator for &'a SparseMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = std::collections::btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
