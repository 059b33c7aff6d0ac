//! What `meltemi up` shows: a table that is redrawn in place on a terminal, a line for each change elsewhere.
//!
//! In: a [`Snapshot`] whenever something may have changed. Out: text. It must not know where the facts come from.

mod changes;
mod screen;
mod table;

use std::collections::BTreeMap;

use meltemi_local::{directory::Entry, envoy::admin::Traffic};

use crate::problems::Finding;
pub use screen::Live;

/// All that is shown, at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// Where the configuration is read from, and where the control plane listens.
    pub title: String,
    /// One a replica.
    pub rows: Vec<Row>,
    /// What is wrong with the configuration.
    pub problems: Vec<Finding>,
    /// What to try next.
    pub hints: Vec<String>,
}

/// A replica.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// The replica itself.
    pub entry: Entry,
    /// How far its Envoy is with its configuration.
    pub sync: Sync,
    /// The requests that its Envoy has finished, where it could be asked.
    pub traffic: Option<Traffic>,
}

/// How far a proxy is with its configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sync {
    /// It is not connected to the control plane.
    Away,
    /// Something that was sent is not acknowledged yet.
    Waiting,
    /// It has all.
    Synced,
    /// It has all but what it refused.
    Rejected(usize),
}

impl Row {
    /// `<pod>.<namespace>`, as proxies are named everywhere.
    pub fn name(&self) -> String {
        format!("{}.{}", self.entry.identity.pod, self.entry.identity.namespace)
    }
}

fn by_name(rows: &[Row]) -> BTreeMap<String, &Row> {
    rows.iter().map(|row| (row.name(), row)).collect()
}
