//! Maps, sets and queues that have nothing in them most of the time, and take no more than a pointer then: each stream has dozens of them.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet, VecDeque, btree_map, btree_set};
use std::ops::Deref;

/// Reads as what it is of; changes go through its own methods, which make one only to put something in, and none to take something out.
#[derive(Debug)]
pub(crate) struct Sparse<C>(Option<Box<C>>);

pub(crate) type SparseMap<K, V> = Sparse<BTreeMap<K, V>>;
pub(crate) type SparseSet<T> = Sparse<BTreeSet<T>>;
pub(crate) type SparseQueue<T> = Sparse<VecDeque<T>>;

/// What there may be nothing in.
pub(crate) trait Collection: Default {
    fn is_empty(&self) -> bool;
    /// One that is empty, to be read.
    fn empty<'a>() -> &'a Self;
}

impl<K, V> Collection for BTreeMap<K, V> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn empty<'a>() -> &'a Self {
        const { &BTreeMap::new() }
    }
}

impl<T> Collection for BTreeSet<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn empty<'a>() -> &'a Self {
        const { &BTreeSet::new() }
    }
}

impl<T> Collection for VecDeque<T> {
    fn is_empty(&self) -> bool {
        self.is_empty()
    }

    fn empty<'a>() -> &'a Self {
        const { &VecDeque::new() }
    }
}

impl<C> Default for Sparse<C> {
    fn default() -> Self {
        Self(None)
    }
}

impl<C> Sparse<C> {
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

impl<C: Collection> Sparse<C> {
    /// To put something in.
    fn grown(&mut self) -> &mut C {
        self.0.get_or_insert_default()
    }

    /// Takes something out, if there is anything.
    fn shrink<R: Default>(&mut self, take: impl FnOnce(&mut C) -> R) -> R {
        let Some(collection) = &mut self.0 else { return R::default() };
        let taken = take(collection);
        self.0.take_if(|collection| collection.is_empty());
        taken
    }
}

impl<C: Collection> Deref for Sparse<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.0.as_deref().unwrap_or_else(C::empty)
    }
}

impl<K: Ord, V> SparseMap<K, V> {
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.grown().insert(key, value)
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        self.shrink(|map| map.remove(key))
    }

    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.0.as_mut()?.get_mut(key)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().flat_map(|map| map.values_mut())
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&K, &mut V) -> bool) {
        self.shrink(|map| map.retain(keep));
    }
}

impl<'a, K, V> IntoIterator for &'a SparseMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = btree_map::Iter<'a, K, V>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Ord> SparseSet<T> {
    pub(crate) fn insert(&mut self, value: T) {
        self.grown().insert(value);
    }

    pub(crate) fn remove<Q: Ord + ?Sized>(&mut self, value: &Q)
    where
        T: Borrow<Q>,
    {
        self.shrink(|set| set.remove(value));
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.shrink(|set| set.retain(keep));
    }
}

impl<T: Ord> Extend<T> for SparseSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.grown().extend(values);
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

impl<T> SparseQueue<T> {
    pub(crate) fn push_front(&mut self, value: T) {
        self.grown().push_front(value);
    }

    pub(crate) fn pop_front(&mut self) -> Option<T> {
        self.shrink(VecDeque::pop_front)
    }

    pub(crate) fn retain_mut(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.shrink(|queue| queue.retain_mut(keep));
    }
}
