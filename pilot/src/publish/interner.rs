//! Equal values, held once.
//!
//! In: a value behind an `Arc`. Out: the one that others hold already, if there is one. What only the interner holds any more is swept
//! away when it has doubled since the last time.

use std::{
    collections::HashSet,
    hash::Hash,
    sync::{Arc, Mutex, PoisonError},
};

/// Not swept before it has this many members.
const SWEEP_AT_LEAST: usize = 1024;

/// A set of shared values.
pub struct Interner<T: ?Sized> {
    members: Mutex<Members<T>>,
}

struct Members<T: ?Sized> {
    held: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: ?Sized> Default for Interner<T> {
    fn default() -> Self {
        Self { members: Mutex::new(Members { held: HashSet::new(), sweep_at: SWEEP_AT_LEAST }) }
    }
}

impl<T: ?Sized + Hash + Eq> Interner<T> {
    /// The value equal to `value` that others hold, or `value` itself.
    pub fn share(&self, value: Arc<T>) -> Arc<T> {
        // A set is whole whenever the lock is free.
        let mut members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = members.held.get(&value) {
            return known.clone();
        }
        if members.held.len() >= members.sweep_at {
            members.held.retain(|value| Arc::strong_count(value) > 1);
            // Each sweep is paid for by as many insertions as it left members.
            members.sweep_at = (members.held.len() * 2).max(SWEEP_AT_LEAST);
        }
        members.held.insert(value.clone());
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_one_and_what_nobody_holds_goes() {
        let interner = Interner::<str>::default();
        let held = interner.share("held".into());
        for number in 0..10 * SWEEP_AT_LEAST {
            interner.share(number.to_string().into());
        }
        assert!(Arc::ptr_eq(&held, &interner.share("held".into())));
        assert!(interner.members.lock().unwrap().held.len() <= 2 * SWEEP_AT_LEAST);
    }
}
