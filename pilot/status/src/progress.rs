//! How far proxies have got with the resources of an object: what the control plane knows and this crate asks for.

use mesh_model::{ObjectRef, Problem, Str};
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
    /// Replicas whose proxies are not in these counts yet.
    pub unheard: BTreeSet<Str>,
}

/// From when on an object is as it is meant to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// `metadata.generation`.
    pub generation: i64,
    /// The first publication of this replica that shows this generation.
    pub sequence: u64,
}

/// What proxies have acknowledged.
pub trait Progress: Send + Sync + 'static {
    /// Sequence number of the last publication.
    fn sequence(&self) -> u64;

    /// Differs when the proxies that an object concerns may be others than before: publications, proxies that have ever come,
    /// proxies that are there, and what other replicas say.
    fn epoch(&self) -> [u64; 4];

    /// Counts up when refusals change.
    fn refusals(&self) -> u64;

    /// Keys (`Kind namespace/name`) of the objects of which some proxy refuses a resource.
    fn rejected(&self) -> BTreeSet<Str>;

    /// What objects have no effect for some proxies, because others are in their place.
    fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>>;

    /// How far each of `objects` is. Takes a look at all that is published: not for the road that changes travel.
    fn reached(&self, objects: &BTreeMap<ObjectRef, Since>) -> BTreeMap<ObjectRef, Reached>;
}
