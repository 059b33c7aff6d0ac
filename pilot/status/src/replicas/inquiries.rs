//! What callers of a replica want to know, whichever leads.
//!
//! In: an object, asked about again and again. Out: how far all proxies are with it. The others are asked as long as somebody asks here.

use super::{Replicas, State};
use crate::progress::{Progress as _, Reached, Since};
use mesh_model::{ObjectRef, Problem};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// For how long an object is asked about that somebody wants to know of who does not say when that ends.
const INQUIRED: Duration = Duration::from_secs(5);

/// How far the proxies of all replicas are with single objects, for those who ask this replica, whichever leads. Cheap to clone.
#[derive(Clone)]
pub struct Inquiries(Replicas);

impl Inquiries {
    /// How far they are. Others are asked the first time, and answer within a second or two: who wants to know asks again.
    pub fn reached(&self, object: &ObjectRef, since: Since) -> Reached {
        self.0.inquire(object, since)
    }

    /// As [`Progress::conflicts`].
    pub fn conflicts(&self) -> BTreeMap<ObjectRef, Vec<Problem>> {
        self.0.conflicts()
    }
}

impl std::fmt::Debug for Inquiries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inquiries").finish_non_exhaustive()
    }
}

impl State {
    /// What is asked about for callers.
    pub(super) fn inquired(&mut self, now: Instant) -> BTreeMap<ObjectRef, i64> {
        self.inquiries.retain(|_, (_, at)| now.duration_since(*at) < INQUIRED);
        self.inquiries.iter().map(|(object, (generation, _))| (object.clone(), *generation)).collect()
    }
}

impl Replicas {
    /// For callers of this replica.
    pub(crate) fn inquiries(&self) -> Inquiries {
        Inquiries(self.clone())
    }

    fn inquire(&self, object: &ObjectRef, since: Since) -> Reached {
        let mut found = self.own.reached(&BTreeMap::from([(object.clone(), since)]));
        let mut reached = found.remove(object).unwrap_or_default();
        let now = Instant::now();
        let mut state = self.lock();
        state.inquiries.insert(object.clone(), (since.generation, now));
        self.add_others(&state, object, since.generation, &mut reached);
        drop(state);
        self.ask();
        reached
    }
}
