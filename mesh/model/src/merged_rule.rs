//! DestinationRules that count as one.
//!
//! In: those of one namespace for one host. Out: what they say together.

use crate::{DestinationRule, ExportTo, NamespacedName, ObjectRef, Subset, TrafficPolicy, Tunnel};
use std::sync::Arc;

/// DestinationRules of one namespace for one host, as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRule {
    /// The oldest of them.
    pub name: NamespacedName,
    /// All of them, oldest first.
    pub origins: Vec<ObjectRef>,
    /// The first policy that says something.
    pub policy: TrafficPolicy,
    /// All subsets; of equal names the oldest.
    pub subsets: Vec<Subset>,
}

impl MergedRule {
    /// What rules for one host, oldest first, say together to somebody who sees all of them. As in Istio, one is added to each older one that is
    /// for no other namespaces than it is itself; if there is none, it stands alone, and the last that does so counts. So what a rule says to one
    /// namespace never gets lost because of a rule that this namespace does not share with all the others.
    pub fn of_all<'r>(rules: impl IntoIterator<Item = &'r Arc<DestinationRule>>) -> Option<Self> {
        let mut alone: Vec<(&ExportTo, Self)> = Vec::new();
        for rule in rules {
            let mut added = false;
            for (_, merged) in alone.iter_mut().filter(|(export_to, _)| rule.export_to.covers(export_to)) {
                merged.add(rule);
                added = true;
            }
            if !added {
                alone.push((&rule.export_to, Self::of(rule)));
            }
        }
        alone.pop().map(|(_, merged)| merged)
    }

    fn of(rule: &DestinationRule) -> Self {
        let DestinationRule { metadata, host: _, policy, subsets, export_to: _, selector: _ } = rule;
        Self {
            name: metadata.object.name.clone(),
            origins: vec![metadata.object.clone()],
            policy: policy.clone(),
            subsets: subsets.clone(),
        }
    }

    fn add(&mut self, rule: &DestinationRule) {
        self.origins.push(rule.metadata.object.clone());
        if self.policy == TrafficPolicy::default() {
            self.policy = rule.policy.clone();
        }
        for subset in &rule.subsets {
            if self.subsets.iter().all(|known| known.name != subset.name) {
                self.subsets.push(subset.clone());
            }
        }
    }

    /// The tunnel for connections to the subset `name`, or to all of the host when that is empty. As in Istio a subset does not
    /// inherit the host's.
    pub fn tunnel(&self, name: &str) -> Option<&Tunnel> {
        match name {
            "" => self.policy.tunnel.as_ref(),
            name => self.subset(name)?.policy.tunnel.as_ref(),
        }
    }

    /// The subset `name`.
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| &*subset.name == name)
    }
}
