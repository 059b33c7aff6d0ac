//! Who may see an object: Istio's `exportTo`.

use crate::Str;
use serde::Serialize;
use std::collections::BTreeSet;

/// The namespaces to which an object is visible.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ExportTo {
    /// `*`: everywhere.
    All,
    /// As the mesh says ([`DefaultExports`]), and everywhere where that says nothing. A [`crate::Mesh`] holds the answer.
    #[serde(rename = "All")]
    Default,
    /// Only these; `.` is resolved to the object's own namespace, and `~` to none.
    Namespaces(BTreeSet<Str>),
}

impl ExportTo {
    /// Whether clients in `namespace` see it.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            ExportTo::All | ExportTo::Default => true,
            ExportTo::Namespaces(names) => names.contains(namespace),
        }
    }

    /// Whether nobody but clients in `namespace` sees it.
    pub fn is_only(&self, namespace: &str) -> bool {
        match self {
            ExportTo::All | ExportTo::Default => false,
            ExportTo::Namespaces(names) => names.iter().map(|name| &**name).eq([namespace]),
        }
    }

    /// Whether all that see what is exported to `other` see it.
    pub fn covers(&self, other: &ExportTo) -> bool {
        match (self, other) {
            (ExportTo::All | ExportTo::Default, _) => true,
            (ExportTo::Namespaces(_), ExportTo::All | ExportTo::Default) => false,
            (ExportTo::Namespaces(own), ExportTo::Namespaces(other)) => own.is_superset(other),
        }
    }
}

/// Who sees objects that do not say so themselves: `defaultServiceExportTo`, `defaultVirtualServiceExportTo` and
/// `defaultDestinationRuleExportTo`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct DefaultExports {
    pub services: DefaultExport,
    pub virtual_services: DefaultExport,
    pub destination_rules: DefaultExport,
}

/// `exportTo` that stands for many objects, each in a namespace of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct DefaultExport {
    /// `*`.
    pub all: bool,
    /// `.`.
    pub own: bool,
    /// These, whatever the object's is.
    pub others: BTreeSet<Str>,
}

impl Default for DefaultExport {
    /// Istio's: everybody.
    fn default() -> Self {
        Self { all: true, own: false, others: BTreeSet::new() }
    }
}

impl DefaultExport {
    /// What `export_to` of an object in `namespace` means.
    pub fn resolve(&self, export_to: &ExportTo, namespace: &Str) -> ExportTo {
        match export_to {
            ExportTo::All => ExportTo::All,
            ExportTo::Namespaces(names) => ExportTo::Namespaces(names.clone()),
            ExportTo::Default if self.all => ExportTo::All,
            ExportTo::Default => {
                let own = self.own.then(|| namespace.clone());
                ExportTo::Namespaces(self.others.iter().cloned().chain(own).collect())
            }
        }
    }
}
