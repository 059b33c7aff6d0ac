//! Problems that only the whole mesh shows: names that nothing answers to, and objects that claim the same thing.
//!
//! In: the mesh, and where in their objects the destinations stand. Out: problems by object. Each check (`unit`) looks at the mesh through a
//! `scope` that notes what it was asked; `lived` makes it again when that differs.

mod claims;
mod clients;
mod connection;
mod credentials;
mod destination;
mod indexes;
mod lived;
mod merged;
mod networks;
mod peers;
mod ports;
mod routes;
mod scope;
mod selection;
mod spoken;
mod subsets;
mod unit;

pub(crate) use lived::Checks;

use mesh_model::{Destination, ObjectRef, Problem};
use std::collections::BTreeMap;

/// A destination as its author wrote it. The model has lost where that was: parts that cannot be used are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Where it stands, such as `spec.http[0].route[1].destination`.
    pub path: String,
    /// What it refers to.
    pub to: Destination,
}

/// What one check finds.
#[derive(Default)]
struct Found(BTreeMap<ObjectRef, Vec<Problem>>);

impl Found {
    fn add(&mut self, object: &ObjectRef, problem: Problem) {
        self.0.entry(object.clone()).or_default().push(problem);
    }
}
