//! Groups: neighbouring resources that go out together, and whose bytes can be had joined while a storm of equal pushes lasts.
//!
//! In: the resources of a first push. Out: groups of some 40 KiB whose boundaries depend on the resources beside them alone: lists
//! that differ in a few places have most of their groups in common, whichever scope, class or moment they are from. So joined bytes
//! are about one copy of the mesh, not one a scope. Joined bytes are bounded: over budget a stream joins by itself.
//!
//! Resources of one DNS domain stand together: what a namespace sees otherwise than the others is mostly its own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};

use crate::resource::{Protocol, Resource};
use crate::weak::WeakMap;

/// A group does not end before it has this many bytes.
const AT_LEAST: usize = 16 * 1024;

/// A group that has this many bytes ends.
const AT_MOST: usize = 64 * 1024;

/// In between it ends after so many bytes on average.
const BOUNDARY_EVERY: usize = 24 * 1024;

/// A group is joined when this many streams have asked for it: the second of a storm pays, a lone one does not.
const JOIN_AT: u32 = 2;

/// Resources that stand together.
#[derive(Debug)]
pub(crate) struct Group {
    protocol: Protocol,
    resources: Box<[Arc<Resource>]>,
    /// Sum of the entries' lengths.
    bytes: usize,
    uses: AtomicU32,
    joined: OnceLock<Option<Joined>>,
    /// Absent: never joined.
    budget: Option<Arc<Budget>>,
}

#[derive(Debug)]
struct Joined {
    bytes: Bytes,
    budget: Arc<Budget>,
}

impl Drop for Joined {
    fn drop(&mut self) {
        self.budget.used.fetch_sub(self.bytes.len(), Ordering::Relaxed);
    }
}

/// How many bytes may be held joined.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn of(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        let fits = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

impl Group {
    /// A group that may be joined if there is a budget.
    pub(crate) fn new(
        protocol: Protocol,
        resources: Box<[Arc<Resource>]>,
        budget: Option<Arc<Budget>>,
    ) -> Arc<Self> {
        let bytes = resources.iter().map(|resource| resource.entry_len(protocol)).sum();
        Arc::new(Self {
            protocol,
            resources,
            bytes,
            uses: AtomicU32::new(0),
            joined: OnceLock::new(),
            budget,
        })
    }

    /// The resources.
    pub(crate) fn resources(&self) -> &[Arc<Resource>] {
        &self.resources
    }

    /// Sum of the entries' lengths.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Counts one more stream that sends it.
    pub(crate) fn used(&self) {
        self.uses.fetch_add(1, Ordering::Relaxed);
    }

    /// All entries in one piece, when the group is in demand and the budget allows it.
    pub(crate) fn joined(&self) -> Option<&Bytes> {
        let budget = self.budget.as_ref()?;
        if self.uses.load(Ordering::Relaxed) < JOIN_AT {
            return None;
        }
        let joined = self.joined.get_or_init(|| {
            budget.take(self.bytes).then(|| {
                let mut bytes = BytesMut::with_capacity(self.bytes);
                for resource in &self.resources {
                    bytes.extend_from_slice(resource.entry(self.protocol));
                }
                Joined { bytes: bytes.freeze(), budget: budget.clone() }
            })
        });
        joined.as_ref().map(|joined| &joined.bytes)
    }
}

/// The groups in use, by what is in them.
#[derive(Debug)]
pub(crate) struct Groups {
    budget: Arc<Budget>,
    by_content: WeakMap<(Protocol, u128), Group>,
}

impl Groups {
    /// Keeps at most so many bytes joined.
    pub(crate) fn new(limit: usize) -> Self {
        Self { budget: Budget::of(limit), by_content: WeakMap::new(256) }
    }

    /// `resources`, which come in order of name, in groups, those that are in use already among them.
    pub(crate) fn divide<'a>(
        &mut self,
        protocol: Protocol,
        resources: impl Iterator<Item = &'a Arc<Resource>>,
    ) -> Vec<Arc<Group>> {
        let mut domains: BTreeMap<&str, Vec<&Arc<Resource>>> = BTreeMap::new();
        for resource in resources {
            let (_, domain) = resource.name().split_once('.').unwrap_or_default();
            domains.entry(domain).or_default().push(resource);
        }
        let mut groups = Vec::new();
        let mut group = Vec::new();
        let mut bytes = 0;
        for resource in domains.into_values().flatten() {
            let length = resource.entry_len(protocol);
            bytes += length;
            group.push(resource);
            // The larger the resource, the likelier it ends a group: the mean size is the same for large and small ones.
            let ends = || (resource.fingerprint() % BOUNDARY_EVERY as u128) < length as u128;
            if bytes >= AT_MOST || (bytes >= AT_LEAST && ends()) {
                groups.push(self.intern(protocol, &group));
                group.clear();
                bytes = 0;
            }
        }
        if !group.is_empty() {
            groups.push(self.intern(protocol, &group));
        }
        groups
    }

    fn intern(&mut self, protocol: Protocol, resources: &[&Arc<Resource>]) -> Arc<Group> {
        // Fingerprints are keyed by a secret: nobody can make up another list of the same sum. Names differ, and give the order.
        let content = resources.iter().fold(0u128, |sum, resource| sum.wrapping_add(resource.fingerprint()));
        self.by_content.get(&(protocol, content)).unwrap_or_else(|| {
            let resources = resources.iter().map(|resource| Arc::clone(resource)).collect();
            let group = Group::new(protocol, resources, Some(self.budget.clone()));
            self.by_content.insert((protocol, content), &group);
            group
        })
    }

    /// Forgets the groups that nobody holds.
    pub(crate) fn sweep(&mut self) {
        self.by_content.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::ResourceType;

    fn resources(versions: impl Fn(usize) -> u8) -> Vec<Arc<Resource>> {
        let resource = |number: usize| {
            let message = [versions(number); 700];
            Resource::new(ResourceType::Cluster, format!("c{number:04}"), &message, &[], Arc::new([]))
        };
        (0..2000).map(resource).collect()
    }

    #[test]
    fn lists_that_are_nearly_equal_share_their_groups() {
        let mut groups = Groups::new(usize::MAX);
        let all = resources(|_| 0);
        let before = groups.divide(Protocol::Delta, all.iter());
        assert!(before.iter().all(|group| group.len() <= AT_MOST + 1000), "groups are bounded");
        assert!(before.len() > 2000 * 700 / AT_MOST, "and so is their number");
        // Where a group ends is chance, by a secret: now and then a difference moves the ends of several groups after it.
        let (mut new, mut lists) = (0, 0);
        for place in (0..2000).step_by(100) {
            let edited = resources(|number| u8::from(number == place));
            let after = groups.divide(Protocol::Delta, edited.iter());
            assert_eq!(after.iter().map(|group| group.resources().len()).sum::<usize>(), 2000);
            let others = all.iter().enumerate().filter(|(number, _)| *number != place);
            let missing = groups.divide(Protocol::Delta, others.map(|(_, resource)| resource));
            for other in [&after, &missing] {
                let differs = |group: &&Arc<Group>| !before.iter().any(|held| Arc::ptr_eq(held, group));
                new += other.iter().filter(differs).count();
                lists += 1;
            }
        }
        assert!(
            new <= 2 * lists,
            "all but the groups around a difference are the same: {new} in {lists} lists"
        );
    }

    #[test]
    fn what_one_namespace_sees_otherwise_is_in_few_groups() {
        let mut groups = Groups::new(usize::MAX);
        let mut seen_from = |namespace: usize| {
            let mut all: Vec<_> = (0..2000)
                .map(|number| {
                    let message = [u8::from(number % 20 == namespace); 700];
                    let name = format!("80/svc-{number:04}.team-{:02}.svc.cluster.local:80", number % 20);
                    Resource::new(ResourceType::VirtualHost, name, &message, &[], Arc::new([]))
                })
                .collect();
            all.sort_by(|one, two| one.name().cmp(two.name()));
            groups.divide(Protocol::Delta, all.iter())
        };
        let (one, two) = (seen_from(3), seen_from(7));
        let own = two.iter().filter(|group| !one.iter().any(|other| Arc::ptr_eq(other, group)));
        let bytes: usize = own.map(|group| group.len()).sum();
        assert!(bytes < 2000 * 700 / 3, "{bytes} bytes are not shared");
    }

    #[test]
    fn what_exceeds_the_budget_is_not_joined_and_what_goes_gives_its_part_back() {
        let mut groups = Groups::new(100 * 1024);
        let all = resources(|_| 0);
        let divided = groups.divide(Protocol::Delta, all.iter());
        for group in &divided {
            group.used();
            assert!(group.joined().is_none(), "one stream alone is not worth it");
            group.used();
        }
        let joined: usize = divided.iter().filter_map(|group| group.joined()).map(Bytes::len).sum();
        assert!((30 * 1024..=100 * 1024).contains(&joined), "{joined} bytes are joined");
        drop(divided);
        groups.sweep();
        assert!(groups.by_content.is_empty());
        assert_eq!(groups.budget.used.load(Ordering::Relaxed), 0);
    }
}
