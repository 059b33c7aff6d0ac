//! Clusters that a proxy may be warming still when its stream breaks.
//!
//! In: what each stream waits for. Out: the same, for the stream that the proxy opens next. A proxy that has a modified cluster and not
//! yet its endpoints states both, when it comes back, in the versions that it had: by these nothing is lacking, and the cluster would
//! warm until its endpoints happen to change. A stream notes what it waits for as it goes, not at its end: a proxy that lost its
//! connection is often back before the old stream is known to be over.
//!
//! What this replica does not know, because another one or an earlier process served the stream, is not mended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Proxies remembered. They are few at a time: those in the midst of a push, and those that never came back.
const LIMIT: usize = 16_384;

/// Names of clusters.
type Clusters = Arc<[Arc<str>]>;

/// By proxy, the clusters whose endpoints it has not acknowledged.
#[derive(Debug, Default)]
pub struct Unwarmed {
    proxies: Mutex<HashMap<Arc<str>, Clusters>>,
}

impl Unwarmed {
    /// Notes that `proxy` warms these clusters, and no others.
    pub(crate) fn note<'n>(&self, proxy: &Arc<str>, clusters: impl Iterator<Item = &'n Arc<str>>) {
        let clusters: Clusters = clusters.cloned().collect();
        let mut proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        if clusters.is_empty() {
            proxies.remove(proxy);
        } else if proxies.len() < LIMIT || proxies.contains_key(proxy) {
            proxies.insert(proxy.clone(), clusters);
        }
    }

    /// What `proxy` was last known to warm.
    pub(crate) fn of(&self, proxy: &Arc<str>) -> Clusters {
        let proxies = self.proxies.lock().unwrap_or_else(PoisonError::into_inner);
        proxies.get(proxy).cloned().unwrap_or_default()
    }
}
