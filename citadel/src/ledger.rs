//! Certificates that were issued and have neither been renewed nor expired.
//!
//! In: each certificate as it is issued. Out: who still has one that was made before the trusted roots changed, and how long the longest
//! lives: what a change of the root must wait for. Kept in memory only: what a process before this one issued, it does not know.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use mesh_pki::{SpiffeId, bundle::Digest};

use crate::{
    caller::{Caller, Proof},
    issue,
};

/// More are not remembered one by one.
const CAPACITY: usize = 100_000;

#[derive(Debug, Clone)]
struct Issued {
    identity: SpiffeId,
    pod: Option<String>,
    not_after: SystemTime,
    /// The roots that were handed out with it.
    bundle: Digest,
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
}

impl Ledger {
    /// A certificate was issued to `caller`, in place of the one that it had.
    pub fn issued(&self, caller: &Caller, issued: &issue::Issued, now: SystemTime) {
        let issue::Issued { chain: _, serial, not_after, bundle } = issued;
        let (serial, not_after, bundle) = (serial.clone(), *not_after, *bundle);
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { by_serial, by_pod, beyond, longest } = &mut *inner;
        *longest = not_after.duration_since(now).unwrap_or_default().max(*longest);
        let mut pod = caller.pod().map(|pod| pod.uid.clone());
        let replaced = match &caller.proof {
            Proof::Certificate { serial } => Some(serial.clone()),
            Proof::ServiceAccount { .. } | Proof::Oidc => {
                pod.as_ref().and_then(|pod| by_pod.get(pod).cloned())
            }
        };
        if let Some(before) = replaced.and_then(|serial| by_serial.remove(&serial)) {
            // A renewal by certificate is the same pod's.
            pod = pod.or(before.pod);
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
        by_serial.insert(serial, Issued { identity: caller.identity.clone(), pod, not_after, bundle });
    }

    /// The longest life of a certificate that was issued, in whole seconds.
    pub fn longest(&self) -> Duration {
        let longest = self.inner.lock().unwrap_or_else(PoisonError::into_inner).longest;
        Duration::from_secs(longest.as_secs() + u64::from(longest.subsec_nanos() > 0))
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
            let Issued { identity, pod: _, not_after, bundle } = issued;
            standing.certificates += 1;
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
