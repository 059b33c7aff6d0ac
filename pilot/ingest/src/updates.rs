//! A running ingest: sources feed it, and the next mesh is made when somebody asks for it.
//!
//! In: edits from the sources' tasks, parsed there. Out: meshes with what changed, and reports. Edits that come while the last
//! mesh is still being used wait and are made all at once: there is no fixed delay.

use crate::{
    assemble::Ingest,
    events::{Causes, Events},
    report::{Report, Snapshot},
    reporter,
    store::Edit,
};
use mesh_model::{ChangeSet, Mesh, ObjectRef};
use std::{collections::BTreeSet, io, sync::Arc};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};

/// What sources say.
#[derive(Debug)]
pub enum Input {
    /// These objects differ.
    Edits(Vec<Edit>),
    /// Everything that there was at the start has been said.
    Synced,
}

/// The next mesh. None is given before every first list is in.
#[derive(Debug, Clone)]
pub struct Update {
    /// The mesh.
    pub mesh: Arc<Mesh>,
    /// What changed since the update before.
    pub changes: ChangeSet,
    /// What made them.
    pub causes: Causes,
    /// Counts updates of objects from 1. That a workload on this machine became ready is none: who has made an edit waits for its own.
    pub sequence: u64,
}

/// Updates of a mesh, until it is dropped; its sources end then.
#[derive(Debug)]
pub struct Updates {
    ingest: Ingest,
    inputs: mpsc::Receiver<Input>,
    /// Secrets and ConfigMaps that are to be looked up.
    wanted: watch::Sender<BTreeSet<ObjectRef>>,
    snapshots: watch::Sender<Snapshot>,
    reports: watch::Receiver<Arc<Report>>,
    waiting: ChangeSet,
    sequence: u64,
    /// Every first list is in.
    listed: bool,
    /// And so are the Secrets and ConfigMaps that something in them names.
    synced: bool,
    // Aborted when dropped.
    _tasks: JoinSet<()>,
}

/// Edits that sources may be ahead of the mesh; beyond that they wait.
pub(crate) const QUEUE: usize = 1024;

impl Updates {
    /// Follows `inputs`; `tasks` are the sources'.
    pub(crate) fn new(
        ingest: Ingest,
        inputs: mpsc::Receiver<Input>,
        wanted: watch::Sender<BTreeSet<ObjectRef>>,
        tasks: JoinSet<()>,
    ) -> io::Result<Self> {
        let (snapshots, changed) = watch::channel(ingest.snapshot());
        let reports = reporter::start(changed)?;
        Ok(Self {
            ingest,
            inputs,
            wanted,
            snapshots,
            reports,
            waiting: ChangeSet::default(),
            sequence: 0,
            listed: false,
            synced: false,
            _tasks: tasks,
        })
    }

    /// What is wrong with the configuration, now and from now on. It follows the updates with a little delay.
    pub fn reports(&self) -> watch::Receiver<Arc<Report>> {
        self.reports.clone()
    }

    /// What is counted of what the sources say.
    pub fn events(&self) -> Arc<Events> {
        self.ingest.events().clone()
    }

    /// What is wrong with what the last update was made of. Takes a look at the whole mesh.
    pub fn report(&self) -> Report {
        Report::new(&Snapshot { sequence: self.sequence, ..self.ingest.snapshot() })
    }

    /// The next mesh that differs, or `None` when all sources have ended. The first is given when everything is in, even if that
    /// is nothing. Cancel-safe.
    pub async fn next(&mut self) -> Option<Update> {
        loop {
            let first = self.inputs.recv().await?;
            let mut edits = Vec::new();
            let mut edited = false;
            let mut input = Some(first);
            while let Some(next) = input {
                match next {
                    Input::Edits(more) => {
                        edited |= more.iter().any(|edit| !matches!(edit, Edit::Ready(_)));
                        edits.extend(more);
                    }
                    Input::Synced => self.listed = true,
                }
                input = self.inputs.try_recv().ok();
            }
            self.waiting.merge(self.ingest.apply(edits));
            let wanted = self.ingest.wanted();
            self.wanted.send_if_modified(|held| {
                let differs = *held != wanted;
                *held = wanted;
                differs
            });
            let synced = self.synced || (self.listed && self.ingest.knows_wanted());
            let first_sync = synced && !self.synced;
            self.synced = synced;
            let differs = first_sync || (synced && !self.waiting.is_empty());
            self.sequence += u64::from(first_sync || (differs && edited));
            self.snapshots.send_replace(Snapshot { sequence: self.sequence, ..self.ingest.snapshot() });
            if differs {
                return Some(Update {
                    mesh: self.ingest.mesh().clone(),
                    changes: std::mem::take(&mut self.waiting),
                    causes: self.ingest.take_causes(),
                    sequence: self.sequence,
                });
            }
        }
    }
}
