//! How far proxies have got with the resources of an object: what the control plane knows and this crate asks for.

use mesh_model::{ObjectRef, Str};
use std::collections::{BTreeMap, BTreeSet};

/// How many proxies are named in a message.
pub(crate) const NAMED: usize = 3;

/// The proxies that an object concerns: those that are to have a resource made from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reached {
    /// How many there are.
    pub total: usize,
    /// How many have acknowledged all that was published for it.
    pub acknowledged: usize,
    /// Some of those that have not yet.
    pub waiting: BTreeSet<Str>,
    /// Those that refuse a resource of it, with what they say.
    pub rejected: BTreeMap<Str, Str>,
}

/// What proxies have acknowledged.
pub trait Progress: Send + Sync + 'static {
    /// Sequence number of the last publication.
    fn sequence(&self) -> u64;

    /// Differs when the proxies that an object concerns may be others than before.
    fn epoch(&self) -> [u64; 3];

    /// Counts up when refusals change.
    fn refusals(&self) -> u64;

    /// Keys (`Kind namespace/name`) of the objects of which some proxy refuses a resource.
    fn rejected(&self) -> BTreeSet<Str>;

    /// How far each of `objects` is, given the publication from which on it is as it is meant to be. Takes a look at all that is
    /// published: not for the road that changes travel.
    fn reached(&self, objects: &BTreeMap<ObjectRef, u64>) -> BTreeMap<ObjectRef, Reached>;
}
