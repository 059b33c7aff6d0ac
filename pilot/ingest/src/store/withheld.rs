//! Objects that do not mean what they say, because Meltemi cannot join them.
//!
//! In: which, and what each is taken to mean meanwhile. Out: the difference when it means again what it says.

use super::{Difference, Store};
use crate::kinds::Model;
use mesh_model::{ObjectRef, Problem};

/// An object that cannot be joined because Meltemi is wrong.
#[derive(Debug)]
pub struct Withheld {
    /// What it is taken to mean.
    pub stand_in: Option<Model>,
    /// What is said of it.
    pub defect: Problem,
}

impl Store {
    /// Has an object mean something else than it says, and says that of it.
    pub fn withhold(&mut self, object: &ObjectRef, withheld: Withheld) {
        self.release(object);
        if let Some(held) = self.objects.get_mut(object) {
            if let Some(first) = held.first_mut() {
                first.problems.push(withheld.defect.clone());
            }
            self.told.set_object(object, held);
        }
        self.withheld.insert(object.clone(), withheld);
    }

    /// Has an object mean what it says again: what differs by that.
    pub fn release(&mut self, object: &ObjectRef) -> Option<Difference> {
        let old = self.model(object).cloned();
        self.take_withheld(object)?;
        let new = self.model(object).cloned();
        (old != new).then(|| Difference { object: object.clone(), old, new })
    }

    /// What is known of an object that was withheld, which is over then.
    pub(super) fn take_withheld(&mut self, object: &ObjectRef) -> Option<Withheld> {
        let withheld = self.withheld.remove(object)?;
        if let Some(held) = self.objects.get_mut(object) {
            held.iter_mut().for_each(|held| held.problems.retain(|problem| *problem != withheld.defect));
            self.told.set_object(object, held);
        }
        Some(withheld)
    }
}
