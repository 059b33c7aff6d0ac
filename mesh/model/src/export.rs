//! Who may see an object: Istio's `exportTo`.

use crate::Str;
use serde::Serialize;
use std::collections::BTreeSet;

/// The namespaces to which an object is visible.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ExportTo {
    /// `*`: everywhere.
    All,
    /// Only these; `.` is resolved to the object's own namespace, and `~` to none.
    Namespaces(BTreeSet<Str>),
}

impl ExportTo {
    /// Whether clients in `namespace` see it.
    pub fn includes(&self, namespace: &str) -> bool {
        match self {
            ExportTo::All => true,
            ExportTo::Namespaces(names) => names.contains(namespace),
        }
    }
}
