//! What a client brings from an earlier stream, on this or another replica.
//!
//! In: names and versions as they stand in its first request. Out: the difference to what it should have, as what is owed. After a
//! reconnect there is mostly none, and that is told by sums of hashes, without a look at single names.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::resource::{ResourceType, fingerprint};
use crate::snapshot::Snapshot;
use crate::wire::NameVersion;

use super::Context;
use super::drains::Leaving;
use super::watch::{Owed, Watch};

/// State that a client brings from an earlier stream.
#[derive(Debug)]
pub(crate) struct Initial {
    /// Encoded [`NameVersion`]s.
    pub(crate) versions: Vec<Bytes>,
}

impl Watch {
    /// Compares what the client brought with what it should have, and owes the difference.
    pub(super) fn absorb_initial(&mut self, target: &Snapshot, context: &Context) {
        let Some(initial) = self.owed.initial.take() else { return };
        let Initial { versions } = *initial;
        if self.has_exactly(&versions, target, context) {
            return;
        }
        let mut equal = HashSet::with_capacity(versions.len());
        for entry in versions {
            let Ok(NameVersion { name, version }) = NameVersion::decode(entry) else { continue };
            // What is no text is no name of ours.
            let Ok(name) = str::from_utf8(&name) else { continue };
            if !(self.wildcard || self.names.contains(name)) {
                continue;
            }
            match target.get(self.kind, name) {
                Some(resource) if resource.version().as_bytes() == version => {
                    equal.insert(resource.name().clone());
                }
                Some(resource) => {
                    self.owed.changed.insert(resource.name().clone());
                }
                // Its routes may still name the cluster: it leaves as one that vanishes during the stream does.
                None if self.kind == ResourceType::Cluster && self.wildcard => {
                    self.leaving.insert(Arc::from(name), Leaving::of(None));
                }
                None => {
                    self.owed.changed.insert(Arc::from(name));
                }
            }
        }
        if self.wildcard && equal.len() < target.count(self.kind) {
            let lacking = target.resources(self.kind).map(|resource| resource.name());
            self.owed.changed.extend(lacking.filter(|name| !equal.contains(*name)).cloned());
        }
        if equal.len() < self.names.len() {
            let Owed { asked, changed, .. } = &mut self.owed;
            let lacking = |name: &&Arc<str>| !equal.contains(*name) && !changed.contains(*name);
            asked.extend(self.names.iter().filter(lacking).cloned());
        }
    }

    /// Whether the client brought all there is, in the current versions: the rule after a reconnect, and cheap to see.
    fn has_exactly(&self, versions: &[Bytes], target: &Snapshot, context: &Context) -> bool {
        if self.wildcard && !self.names.is_empty() {
            return false;
        }
        let names = (!self.wildcard).then_some(&*self.names);
        let (count, sum) = context.shared.batches.sum(target, self.kind, context.protocol, names);
        // Names that do not exist are to be answered.
        names.is_none_or(|names| names.len() == count)
            && count == versions.len()
            && versions.iter().map(|entry| fingerprint(entry)).fold(0, u128::wrapping_add) == sum
    }
}
