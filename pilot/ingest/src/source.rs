//! Where configuration comes from.

use crate::{
    assemble::Ingest,
    mesh_file::{self, MeshFile},
    named, reload,
    report::Report,
    settings::{Settings, SourceError},
    store::Edit,
    updates::{Input, QUEUE, Updates},
    watch,
};
use mesh_model::{Mesh, NamespacedName};
use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch::channel as watch_channel},
    task::JoinSet,
};

/// A source of configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file, or a directory of files, read again when they change.
    Files(PathBuf),
    /// A Kubernetes API server: by kubeconfig, or, without one, as the environment says (in a cluster, its own).
    Cluster {
        /// Path of the kubeconfig.
        kubeconfig: Option<PathBuf>,
    },
}

/// Begins to read. Fails when there is nothing to read from; what is wrong with what is read is in the reports.
pub async fn start(source: Source, settings: Settings) -> Result<Updates, SourceError> {
    let mut context = settings.context()?;
    context.is_cluster = matches!(source, Source::Cluster { .. });
    let (wanted, named) = watch_channel(BTreeSet::new());
    let (inputs, receiver) = mpsc::channel(QUEUE);
    let mut tasks = JoinSet::new();
    if let Some(file) = MeshFile::of(&settings) {
        mesh_file::start(file, inputs.clone(), &mut tasks).await?;
    }
    match source {
        Source::Files(path) => {
            if let Some(ready) = settings.ready {
                // Before the workloads are there: none of them is taken as ready unasked.
                let first = ready.borrow().clone();
                let _ = inputs.send(Input::Edits(vec![Edit::Ready(first)])).await;
                tasks.spawn(follow_ready(ready, inputs.clone()));
            }
            reload::start(path, context.clone(), inputs, &mut tasks).await?;
        }
        Source::Cluster { kubeconfig } => {
            let client = watch::connect(kubeconfig.as_deref()).await?;
            tasks.spawn(named::follow(client.clone(), context.clone(), named, inputs.clone()));
            watch::start(client, context.clone(), inputs, &mut tasks);
        }
    }
    Updates::new(Ingest::new(context), receiver, wanted, tasks).map_err(SourceError::Thread)
}

async fn follow_ready(
    mut ready: tokio::sync::watch::Receiver<Arc<BTreeSet<NamespacedName>>>,
    inputs: mpsc::Sender<Input>,
) {
    loop {
        let now = ready.borrow_and_update().clone();
        if inputs.send(Input::Edits(vec![Edit::Ready(now)])).await.is_err() || ready.changed().await.is_err()
        {
            return;
        }
    }
}

/// Reads everything at `source` once, as a control plane would.
pub async fn look(
    source: Source,
    settings: Settings,
    within: Duration,
) -> Result<(Arc<Mesh>, Report), SourceError> {
    if let Source::Cluster { kubeconfig } = &source {
        watch::reach(&watch::connect(kubeconfig.as_deref()).await?).await?;
    }
    let mut updates = start(source, settings).await?;
    match tokio::time::timeout(within, updates.next()).await {
        Ok(Some(update)) => Ok((update.mesh, updates.report())),
        Ok(None) | Err(_) => Err(SourceError::Incomplete(within)),
    }
}
