//! Maps, sets and queues that have nothing in them most of the time, and take no more than a pointer then: each stream has dozens of them.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_set};
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

/// Reads as a `BTreeSet`, in the same manner.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a pointer is what it is to take while it is empty")]
pub(crate) struct SparseSet<T>(Option<Box<BTreeSet<T>>>);

impl<T> SparseSet<T> {
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<T> Default for SparseSet<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Ord> SparseSet<T> {
    pub(crate) fn insert(&mut self, value: T) {
        self.0.get_or_insert_default().insert(value);
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, value: &Q)
    where
        T: Borrow<Q>,
    {
        if let Some(set) = &mut self.0 {
            set.remove(value);
        }
        self.0.take_if(|set| set.is_empty());
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(set) = &mut self.0 {
            set.retain(keep);
        }
        self.0.take_if(|set| set.is_empty());
    }
}

impl<T: Ord> Extend<T> for SparseSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.0.get_or_insert_default().extend(values);
        }
    }
}

impl<T> Deref for SparseSet<T> {
    type Target = BTreeSet<T>;

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Some(set) => set,
            None => const { &BTreeSet::new() },
        }
    }
}

impl<T> IntoIterator for SparseSet<T> {
    type Item = T;
    type IntoIter = btree_set::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.map(|set| *set).unwrap_or_default().into_iter()
    }
}

/// A queue, in the same manner.
#[derive(Debug)]
#[expect(clippy::box_collection, reason = "a pointer is what it is to take while it is empty")]
pub(crate) struct SparseQueue<T>(Option<Box<VecDeque<T>>>);

impl<T> SparseQueue<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }

    pub(crate) fn push_front(&mut self, value: T) {
        self.0.get_or_insert_default().push_front(value);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        let first = self.0.as_mut()?.pop_front();
        self.0.take_if(|queue| queue.is_empty());
        first
    }

    pub(crate) fn retain_mut(&mut self, keep: impl FnMut(&mut T) -> bool) {
        if let Some(queue) = &mut self.0 {
            queue.retain_mut(keep);
        }
        self.0.take_if(|queue| queue.is_empty());
    }
}

impl<T> Default for SparseQueue<T> {
    fn default() -> Self {
        Self(None)
    }
}
