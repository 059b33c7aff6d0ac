//! A set that has one value most of the time, and takes no node of a tree for it.

use std::collections::{BTreeSet, btree_set};

/// One value or more, in their order.
#[derive(Debug)]
pub enum Few<V> {
    /// The only one.
    One(V),
    /// Any number.
    Many(BTreeSet<V>),
}

impl<V: Ord> Few<V> {
    /// Adds a value.
    pub fn insert(&mut self, value: V) {
        if let Self::One(only) = self {
            if *only == value {
                return;
            }
            // Filled below with both.
            let Self::One(only) = std::mem::replace(self, Self::Many(BTreeSet::new())) else { return };
            self.insert(only);
        }
        if let Self::Many(values) = self {
            values.insert(value);
        }
    }

    /// Removes a value. Returns whether none is left.
    pub fn remove(&mut self, value: &V) -> bool {
        match self {
            Self::One(only) => only == value,
            Self::Many(values) => {
                values.remove(value);
                values.is_empty()
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::One(_) => 1,
            Self::Many(values) => values.len(),
        }
    }
}

impl<'a, V> IntoIterator for &'a Few<V> {
    type Item = &'a V;
    type IntoIter = std::iter::Chain<std::option::IntoIter<&'a V>, Tree<'a, V>>;

    fn into_iter(self) -> Self::IntoIter {
        let (one, many) = match self {
            Few::One(only) => (Some(only), None),
            Few::Many(values) => (None, Some(values.iter())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

type Tree<'a, V> = std::iter::Flatten<std::option::IntoIter<btree_set::Iter<'a, V>>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_becomes_many_and_none() {
        let mut few = Few::One(2);
        few.insert(2);
        assert_eq!(few.len(), 1);
        few.insert(1);
        assert_eq!(few.into_iter().collect::<Vec<_>>(), [&1, &2]);
        assert!(!few.remove(&2) && !few.remove(&2) && few.remove(&1));
        assert!(Few::One(1).remove(&1) && !Few::One(1).remove(&2));
    }
}
