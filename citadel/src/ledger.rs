//! Certificates that were issued and have neither been renewed nor expired.
//!
//! In: each certificate as it is issued. Out: who still has one that was made before the trusted roots changed, and how long the longest
//! lives: what a change of the root must wait for. Kept in memory only: what a process before this one issued, it does not know.

mod taken;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use mesh_pki::{SpiffeId, bundle::Digest};

use crate::{
    caller::{Caller, Proof},
    issue,
};

pub use taken::{Mark, Taken};

/// More are not remembered one by one.
const CAPACITY: usize = 100_000;

#[derive(Debug, Clone)]
struct Issued {
    identity: SpiffeId,
    pod: Option<String>,
    at: SystemTime,
    not_after: SystemTime,
    /// The roots that were handed out with it.
    bundle: Digest,
}

impl Issued {
    /// Agents renew at about half of the life.
    fn is_overdue(&self, now: SystemTime) -> bool {
        let life = self.not_after.duration_since(self.at).unwrap_or_default();
        self.not_after.duration_since(now).unwrap_or_default() < life / 4
    }
}

/// Issued certificates. Cheap to clone.
#[derive(Clone, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    by_serial: HashMap<String, Issued>,
    /// The newest certificate of each pod.
    by_pod: HashMap<String, String>,
    /// Certificates of other replicas that were renewed here, and when.
    foreign: HashMap<Mark, SystemTime>,
    /// The longest-lived of those that were not remembered.
    beyond: Option<SystemTime>,
    /// The longest life of any.
    longest: Duration,
}

/// How workloads stand.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Certificates in use, as far as is known.
    pub certificates: usize,
    /// Of these, those whose holders have not been handed the current roots.
    pub behind: usize,
    /// When the last of those behind expires.
    pub behind_until: Option<SystemTime>,
    /// When the first certificate expires, and whose it is.
    pub soonest: Option<(SystemTime, SpiffeId)>,
    /// When the last certificate expires.
    pub latest: Option<SystemTime>,
    /// Certificates that should have been renewed: less than a quarter of their life is left.
    pub overdue: usize,
}

/// A certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Whose it is.
    pub identity: SpiffeId,
    /// When it expires.
    pub not_after: SystemTime,
    /// Whether its holder has not been handed the current roots.
    pub behind: bool,
    /// Whether it should have been renewed.
    pub overdue: bool,
}

impl Ledger {
    /// A certificate was issued to `caller`, in place of the one that it had.
    pub fn issued(&self, caller: &Caller, issued: &issue::Issued, now: SystemTime) {
        let issue::Issued { chain: _, serial, not_after, bundle } = issued;
        let (serial, not_after, bundle) = (serial.clone(), *not_after, *bundle);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { by_serial, by_pod, foreign, beyond, longest } = &mut *inner;
        *longest = not_after.duration_since(now).unwrap_or_default().max(*longest);
        let mut pod = caller.pod().map(|pod| pod.uid.clone());
        let replaced = match &caller.proof {
            Proof::Certificate { serial } => Some(serial.clone()),
            Proof::ServiceAccount { .. } | Proof::Oidc => {
                pod.as_ref().and_then(|pod| by_pod.get(pod).cloned())
            }
        };
        let before = replaced.as_ref().and_then(|serial| by_serial.remove(serial));
        match (before, &caller.proof) {
            // A renewal by certificate is the same pod's.
            (Some(before), _) => pod = pod.or(before.pod),
            (None, Proof::Certificate { serial }) => {
                if foreign.len() >= CAPACITY {
                    let oldest = now - *longest;
                    foreign.retain(|_, at| *at > oldest);
                }
                // One that is not noted keeps its replica waiting until it expires, no more.
                if foreign.len() < CAPACITY {
                    foreign.insert(taken::of_certificate(serial), now);
                }
            }
            (None, Proof::ServiceAccount { .. } | Proof::Oidc) => {}
        }
        if by_serial.len() >= CAPACITY {
            by_serial.retain(|_, issued| issued.not_after > now);
            by_pod.retain(|_, serial| by_serial.contains_key(serial));
        }
        if by_serial.len() >= CAPACITY {
            *beyond = Some(beyond.map_or(not_after, |before| before.max(not_after)));
            return;
        }
        if let Some(pod) = &pod {
            by_pod.insert(pod.clone(), serial.clone());
        }
        let identity = caller.identity.clone();
        by_serial.insert(serial, Issued { identity, pod, at: now, not_after, bundle });
    }

    /// What was taken over from other replicas, for whom pods count that have the roots `current`.
    pub fn taken(&self, current: Digest, now: SystemTime) -> Taken {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { by_serial, by_pod, foreign, beyond: _, longest } = &*inner;
        let oldest = now - *longest;
        let certificates = foreign.iter().filter(|(_, at)| **at > oldest).map(|(mark, _)| *mark).collect();
        let pods = by_pod.iter().filter_map(|(pod, serial)| {
            let issued = by_serial.get(serial).filter(|issued| issued.bundle == current)?;
            Some((taken::of_pod(pod), taken::seconds(issued.at)))
        });
        Taken { certificates, pods: pods.collect() }
    }

    /// Forgets what another replica has taken over.
    pub fn give_up(&self, taken: &Taken) {
        let Taken { certificates, pods } = taken;
        let certificates: HashSet<&Mark> = certificates.iter().collect();
        let pods: HashMap<&Mark, u32> = pods.iter().map(|(pod, at)| (pod, *at)).collect();
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { by_serial, by_pod, .. } = &mut *inner;
        by_serial.retain(|serial, issued| {
            let renewed = certificates.contains(&taken::of_certificate(serial));
            let newer = |pod: &String| {
                pods.get(&taken::of_pod(pod)).is_some_and(|there| taken::is_later(*there, issued.at))
            };
            !renewed && !issued.pod.as_ref().is_some_and(newer)
        });
        by_pod.retain(|_, serial| by_serial.contains_key(serial));
    }

    /// The longest life of a certificate that was issued, in whole seconds.
    pub fn longest(&self) -> Duration {
        let longest = self.inner.lock().unwrap_or_else(PoisonError::into_inner).longest;
        Duration::from_secs(longest.as_secs() + u64::from(longest.subsec_nanos() > 0))
    }

    /// Certificates in use as far as they were remembered, those first that expire first.
    pub fn held(&self, current: Digest, now: SystemTime) -> Vec<Held> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let current = inner.by_serial.values().filter(|issued| issued.not_after > now).map(|issued| {
            let Issued { identity, pod: _, at: _, not_after, bundle } = issued;
            let (behind, overdue) = (*bundle != current, issued.is_overdue(now));
            Held { identity: identity.clone(), not_after: *not_after, behind, overdue }
        });
        let mut held: Vec<Held> = current.collect();
        drop(inner);
        held.sort_by(|a, b| (a.not_after, &a.identity).cmp(&(b.not_after, &b.identity)));
        held
    }

    /// How workloads stand towards the roots `current`.
    pub fn standing(&self, current: Digest, now: SystemTime) -> Standing {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut standing = Standing::default();
        if let Some(beyond) = inner.beyond.filter(|until| *until > now) {
            (standing.behind_until, standing.latest) = (Some(beyond), Some(beyond));
            standing.behind = 1;
        }
        for issued in inner.by_serial.values().filter(|issued| issued.not_after > now) {
            let Issued { identity, pod: _, at: _, not_after, bundle } = issued;
            standing.certificates += 1;
            standing.overdue += usize::from(issued.is_overdue(now));
            standing.latest = Some(standing.latest.map_or(*not_after, |latest| latest.max(*not_after)));
            if *bundle != current {
                standing.behind += 1;
                let until = standing.behind_until.map_or(*not_after, |until| until.max(*not_after));
                standing.behind_until = Some(until);
            }
            if standing.soonest.as_ref().is_none_or(|(at, _)| not_after < at) {
                standing.soonest = Some((*not_after, identity.clone()));
            }
        }
        standing
    }
}
