//! Files that are read again when they change.
//!
//! In: the system's word that something happened below a directory. Out: edits for the files that differ. Nothing is polled, and what
//! did not change is not looked at (`files`). Whoever writes several files means them together, so a burst (`burst`) is waited out. A
//! file that somebody has open for writing keeps what it said before until it is closed, and so does one that was emptied (`held`). More
//! events than there is room for (`queue`) mean that everything is looked at.

mod burst;
mod files;
mod held;
mod queue;

use crate::{at::Context, settings::SourceError, updates::Input};
pub(crate) use burst::Burst;
use burst::{Event, What};
use files::Files;
use held::Held;
pub(crate) use held::{emptied, never_closed};
use notify::{RecursiveMode, Watcher};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet, time::Instant};

/// How long a burst may last before files are read in its midst.
const PATIENCE: Duration = Duration::from_millis(500);

/// Reads everything once, then keeps up.
pub async fn start(
    root: PathBuf,
    context: Context,
    inputs: mpsc::Sender<Input>,
    tasks: &mut JoinSet<()>,
) -> Result<(), SourceError> {
    // Before the first reading, so that nothing that happens meanwhile is missed.
    let events = Events::below(&root);
    let mut files = Files::new(root.clone(), context).map_err(SourceError::files(&root))?;
    let first = tokio::task::spawn_blocking(move || {
        let edits = files.scan(&Burst::default());
        edits.map(|edits| (files, edits))
    });
    let joined = first.await.map_err(std::io::Error::other).and_then(|scanned| scanned);
    let (files, edits) = joined.map_err(SourceError::files(&root))?;
    // The queue is empty and longer than this.
    let _ = inputs.send(Input::Edits(edits)).await;
    let _ = inputs.send(Input::Synced).await;
    tasks.spawn(follow(files, events, inputs));
    Ok(())
}

fn observe(root: &Path, sender: queue::Sender) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let event = match event {
            // Opening and reading is what we do ourselves.
            Ok(event) if event.kind.is_access() && !closed_after_writing(&event.kind) => return,
            Ok(event) if event.need_rescan() => Event::unknown(),
            Ok(event) => Event { what: what(&event.kind), paths: event.paths },
            Err(error) => {
                tracing::warn!(%error, "watching files");
                Event::unknown()
            }
        };
        sender.send(event);
    })?;
    if root.is_dir() {
        watcher.watch(root, RecursiveMode::Recursive)?;
    } else {
        // Editors replace files; a watch on the file itself would stay with the old one.
        let directory = root.parent().filter(|parent| !parent.as_os_str().is_empty());
        watcher.watch(directory.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
    }
    Ok(watcher)
}

fn closed_after_writing(kind: &notify::EventKind) -> bool {
    use notify::event::{AccessKind, AccessMode};
    matches!(kind, notify::EventKind::Access(AccessKind::Close(AccessMode::Write)))
}

fn what(kind: &notify::EventKind) -> What {
    use notify::event::{EventKind, ModifyKind};
    match kind {
        // Emptying a file on opening it is one, too.
        EventKind::Modify(ModifyKind::Data(_)) => What::Written,
        EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_) => What::Whole,
        kind if closed_after_writing(kind) => What::Whole,
        _ => What::Other,
    }
}

/// What happens to files, burst by burst.
#[derive(Debug)]
pub(crate) struct Events {
    events: queue::Receiver,
    /// Files that are not read yet.
    held: Held,
    /// Dropping it ends the events. `None` when nothing can be observed: then nothing ever comes, and whoever waits waits.
    watcher: Option<notify::RecommendedWatcher>,
}

impl Events {
    /// From now on, at `root`: below it, or beside it if it is a file.
    pub(crate) fn below(root: &Path) -> Self {
        let (sender, events) = queue::queue();
        let watcher = match observe(root, sender) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::error!(%error, path = %root.display(), "files are not read again when they change");
                None
            }
        };
        Self { events, held: Held::default(), watcher }
    }

    /// The next burst, when it is over.
    pub(crate) async fn next(&mut self) -> Option<Burst> {
        let Self { events, held, watcher } = self;
        if watcher.is_none() {
            return std::future::pending().await;
        }
        let mut burst = Burst::after(std::mem::take(held));
        while burst.is_empty() {
            let Some(deadline) = burst.held.deadline() else {
                events.add_next(&mut burst).await?;
                continue;
            };
            match tokio::time::timeout_at(deadline, events.add_next(&mut burst)).await {
                Ok(more) => more?,
                Err(_) => burst.expire(Instant::now()),
            }
        }
        let deadline = Instant::now() + PATIENCE;
        let quiet = |burst: &Burst| deadline.min(burst.quiet());
        while let Ok(Some(())) = tokio::time::timeout_at(quiet(&burst), events.add_next(&mut burst)).await {}
        held.clone_from(&burst.held);
        Some(burst)
    }

    /// A file that said something is empty now, and is to be looked at again when that has been so for long.
    pub(crate) fn emptied(&mut self, path: PathBuf) {
        self.held.emptied(path, Instant::now());
    }
}

async fn follow(mut files: Files, mut events: Events, inputs: mpsc::Sender<Input>) {
    while let Some(burst) = events.next().await {
        let scanned = tokio::task::spawn_blocking(move || {
            let edits = files.update(&burst);
            (files, edits)
        });
        let edits;
        (files, edits) = match scanned.await {
            Ok(scanned) => scanned,
            Err(error) => {
                tracing::error!(%error, "reading files");
                return;
            }
        };
        files.take_emptied().into_iter().for_each(|path| events.emptied(path));
        match edits {
            Ok(edits) if edits.is_empty() => {}
            Ok(edits) => {
                if inputs.send(Input::Edits(edits)).await.is_err() {
                    return;
                }
            }
            // The directory is gone or closed to us; what it said stays.
            Err(error) => tracing::warn!(%error, path = %files.root().display(), "files cannot be read"),
        }
    }
}
