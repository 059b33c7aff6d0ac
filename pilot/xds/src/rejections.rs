//! What proxies have refused, and what served before: the shared memory of NACKs.
//!
//! In: rejections and acknowledgements of streams. Out: a report for status and debug, and the last good resource for a proxy that
//! has none. By version, since a name may have several at a time, in different scopes. Bounded: a flood of different bad versions
//! drops some of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::resource::{Resource, ResourceType};

/// At most so many resources are remembered as rejected.
const LIMIT: usize = 4096;

/// Proxies named in one report; the others are only counted.
const PROXIES: usize = 100;

/// A resource version that at least one proxy refused.
#[derive(Clone, Debug)]
pub struct Rejection {
    /// Type of the resource.
    pub kind: ResourceType,
    /// Its name.
    pub name: Arc<str>,
    /// The version refused.
    pub version: Arc<str>,
    /// What the proxy said.
    pub message: Arc<str>,
    /// Keys of the user objects it was built from.
    pub origins: Arc<[Arc<str>]>,
    /// Who refused it, up to a bound.
    pub proxies: BTreeSet<Arc<str>>,
    /// What those proxies keep instead, if anything.
    pub last_good: Option<Arc<Resource>>,
}

/// By type, name and version.
type Standing = BTreeMap<(ResourceType, Arc<str>, Arc<str>), Rejection>;

/// All standing rejections.
#[derive(Debug)]
pub struct Rejections {
    /// Lets an acknowledgement skip the lock while nothing is rejected.
    count: AtomicUsize,
    standing: Mutex<Standing>,
    changes: watch::Sender<u64>,
}

impl Default for Rejections {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), standing: Mutex::default(), changes: watch::Sender::new(0) }
    }
}

impl Rejections {
    /// Every standing rejection, ordered by type, name and version.
    pub fn report(&self) -> Vec<Rejection> {
        self.lock().values().cloned().collect()
    }

    /// Whether nothing is refused by anybody. Takes no lock.
    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Relaxed) == 0
    }

    /// Counts up at each change: what a status writer waits on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Notes that `proxy` refused `resource` and, if it is known, what the proxy holds instead.
    pub(crate) fn record(
        &self,
        resource: &Arc<Resource>,
        message: &Arc<str>,
        proxy: &Arc<str>,
        held: Option<Arc<Resource>>,
    ) {
        let mut standing = self.lock();
        let (kind, name, version) = (resource.kind(), resource.name(), resource.version());
        // It was offered this one in place of what it refused before.
        standing.retain(|(of_kind, of_name, of_version), rejection| {
            let other = *of_kind == kind && of_name == name && of_version != version;
            !(other && rejection.proxies.remove(proxy) && rejection.proxies.is_empty())
        });
        let key = (kind, name.clone(), version.clone());
        if standing.len() >= LIMIT && !standing.contains_key(&key) {
            standing.pop_first();
        }
        let entry = standing.entry(key).or_insert_with(|| Rejection {
            kind,
            name: name.clone(),
            version: version.clone(),
            message: message.clone(),
            origins: resource.origins().clone(),
            proxies: BTreeSet::new(),
            last_good: None,
        });
        if entry.proxies.len() < PROXIES {
            entry.proxies.insert(proxy.clone());
        }
        if held.is_some() {
            entry.last_good = held;
        }
        self.changed(standing.len());
    }

    /// Notes that `proxy` accepted this version: it refuses no other any more. Others still may: a name has other versions in other
    /// scopes, and what is accepted there says nothing here.
    pub(crate) fn accepted(&self, resource: &Resource, proxy: &Arc<str>) {
        if self.is_empty() {
            return;
        }
        let mut standing = self.lock();
        let before = standing.len();
        let mut changed = false;
        standing.retain(|(kind, name, version), rejection| {
            let other = *kind == resource.kind() && name == resource.name() && version != resource.version();
            // What stands in for the refused version does not end the refusal.
            let stands_in =
                || rejection.last_good.as_ref().is_some_and(|good| good.version() == resource.version());
            if !other || stands_in() || !rejection.proxies.remove(proxy) {
                return true;
            }
            changed = true;
            !rejection.proxies.is_empty()
        });
        if changed || standing.len() != before {
            self.changed(standing.len());
        }
    }

    /// Drops what no proxy is meant to have any more, by the publisher's knowledge: its object was mended or is gone, or so are the
    /// proxies.
    pub fn retain_current(&self, is_current: impl Fn(&Rejection) -> bool) {
        let mut standing = self.lock();
        let before = standing.len();
        standing.retain(|_, rejection| is_current(rejection));
        if standing.len() != before {
            self.changed(standing.len());
        }
    }

    /// What served before this version was refused or, if nobody who refused it had anything, before another version of the name was.
    pub(crate) fn last_good(&self, resource: &Resource) -> Option<Arc<Resource>> {
        let standing = self.lock();
        let of_name = || {
            standing.iter().filter(|((kind, name, _), _)| *kind == resource.kind() && name == resource.name())
        };
        let same = of_name().find(|((_, _, version), _)| version == resource.version());
        same.into_iter().chain(of_name()).find_map(|(_, rejection)| rejection.last_good.clone())
    }

    fn changed(&self, count: usize) {
        self.count.store(count, Ordering::Relaxed);
        self.changes.send_modify(|sequence| *sequence += 1);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
