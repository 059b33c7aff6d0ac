//! How far ServiceEntries may be seen at most, whatever their authors say: Istio's `serviceEntryVisibility`.

use crate::{ExportTo, LabelSelector, Labels, Str};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The setting, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct EntryVisibility {
    /// `defaultVisibility`: where no policy holds.
    pub usual: Visibility,
    /// `policies`: the first whose selectors all select the namespace counts; without any it holds for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<(Vec<LabelSelector>, Visibility)>,
    /// What holds in namespaces that are known, where that is not the usual.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub found: BTreeMap<Str, Visibility>,
}

/// How far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Visibility {
    /// As far as its author wants.
    Public,
    /// Within its own namespace.
    Namespace,
    /// Nowhere.
    None,
}

impl EntryVisibility {
    /// What the policies say of a namespace with these labels.
    pub fn decide(&self, labels: &Labels) -> Visibility {
        let holds = |selectors: &[LabelSelector]| selectors.iter().all(|selector| selector.selects(labels));
        let first = self.policies.iter().find(|(selectors, _)| holds(selectors));
        first.map_or(self.usual, |(_, visibility)| *visibility)
    }

    /// How far ServiceEntries of `namespace` may be seen.
    pub fn of(&self, namespace: &str) -> Visibility {
        self.found.get(namespace).copied().unwrap_or(self.usual)
    }
}

impl Visibility {
    /// Whom that leaves, of those who are to see something of `namespace`.
    pub fn narrow(self, export_to: &ExportTo, namespace: &Str) -> ExportTo {
        match self {
            Visibility::Public => export_to.clone(),
            Visibility::Namespace if export_to.includes(namespace) => {
                ExportTo::Namespaces(BTreeSet::from([namespace.clone()]))
            }
            Visibility::Namespace | Visibility::None => ExportTo::Namespaces(BTreeSet::new()),
        }
    }
}
