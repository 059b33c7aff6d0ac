//! Files that are read again when they change.
//!
//! In: the system's word that something happened below a directory. Out: edits for the files that differ. Nothing is polled. Whoever
//! writes several files means them together, so a burst is waited out: shortly when every file that was touched is closed or renamed
//! into place, longer while one is still open. A file that is caught half-written keeps what it said before.

use crate::{
    at::Context,
    files::{Found, find_files, read_files},
    settings::SourceError,
    store::Edit,
    updates::Input,
};
use mesh_model::Str;
use notify::{RecursiveMode, Watcher};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::{sync::mpsc, task::JoinSet};

/// How long it has to be quiet before files are read, while some file is being written.
const QUIET: Duration = Duration::from_millis(20);
/// The same when all that was touched is whole: enough for the next file of a checkout or an unpacked archive.
const QUIET_WHOLE: Duration = Duration::from_millis(2);
/// How long a burst may last before files are read in its midst.
const PATIENCE: Duration = Duration::from_millis(500);

/// What tells two versions of a file apart without reading them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &Found) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let metadata = std::fs::metadata(&file.path).ok()?;
        let modified = metadata.modified().ok();
        Some(Self { path: file.path.clone(), modified, length: metadata.len(), inode: metadata.ino() })
    }
}

/// The files as they were last read.
#[derive(Debug)]
struct Files {
    root: PathBuf,
    context: Context,
    stamps: BTreeMap<Str, Stamp>,
}

impl Files {
    /// Reads what is new or differs; `touched` is read in any case.
    fn scan(&mut self, touched: &BTreeSet<PathBuf>) -> std::io::Result<Vec<Edit>> {
        let found = find_files(&self.root)?;
        let mut stamps = BTreeMap::new();
        let mut changed = Vec::new();
        for file in found {
            // Taken before the file is read: a write in between shows as a difference next time.
            let Some(stamp) = Stamp::of(&file) else { continue };
            if touched.contains(&file.path) || self.stamps.get(&file.shown) != Some(&stamp) {
                changed.push(file.clone());
            }
            stamps.insert(file.shown, stamp);
        }
        let mut edits = read_files(&changed, &self.context);
        let gone = self.stamps.keys().filter(|path| !stamps.contains_key(*path));
        edits.extend(gone.map(|path| Edit::File {
            path: path.clone(),
            objects: Vec::new(),
            problems: Vec::new(),
            partial: false,
        }));
        self.stamps = stamps;
        Ok(edits)
    }
}

/// Reads everything once, then keeps up.
pub async fn start(
    root: PathBuf,
    context: Context,
    inputs: mpsc::Sender<Input>,
    tasks: &mut JoinSet<()>,
) -> Result<(), SourceError> {
    let (sender, events) = mpsc::unbounded_channel();
    // Before the first reading, so that nothing that happens meanwhile is missed.
    let watcher = match observe(&root, sender) {
        Ok(watcher) => Some(watcher),
        Err(error) => {
            tracing::error!(%error, path = %root.display(), "files are not read again when they change");
            None
        }
    };
    let mut files = Files { root: root.clone(), context, stamps: BTreeMap::new() };
    let first = tokio::task::spawn_blocking(move || {
        let edits = files.scan(&BTreeSet::new());
        edits.map(|edits| (files, edits))
    });
    let joined = first.await.map_err(std::io::Error::other).and_then(|scanned| scanned);
    let (files, edits) = joined.map_err(SourceError::files(&root))?;
    // The queue is empty and longer than this.
    let _ = inputs.send(Input::Edits(edits)).await;
    let _ = inputs.send(Input::Synced).await;
    tasks.spawn(follow(files, watcher, events, inputs));
    Ok(())
}

/// What happened.
#[derive(Debug)]
struct Event {
    /// To which files; empty when it is not known.
    paths: Vec<PathBuf>,
    /// Whether they are as they are meant to be: closed after writing, renamed, or gone.
    whole: bool,
}

fn observe(root: &Path, sender: mpsc::UnboundedSender<Event>) -> notify::Result<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let event = match event {
            // Opening and reading is what we do ourselves.
            Ok(event) if event.kind.is_access() && !closed_after_writing(&event.kind) => return,
            Ok(event) if event.need_rescan() => Event { paths: Vec::new(), whole: false },
            Ok(event) => Event { whole: leaves_whole(&event.kind), paths: event.paths },
            Err(error) => {
                tracing::warn!(%error, "watching files");
                Event { paths: Vec::new(), whole: false }
            }
        };
        // Nobody listens any more: the process is ending.
        let _ = sender.send(event);
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

fn leaves_whole(kind: &notify::EventKind) -> bool {
    use notify::event::{EventKind, ModifyKind};
    closed_after_writing(kind)
        || matches!(kind, EventKind::Modify(ModifyKind::Name(_)) | EventKind::Remove(_))
}

/// The files of a burst.
#[derive(Debug, Default)]
struct Burst {
    touched: BTreeSet<PathBuf>,
    /// Those that somebody may still be writing.
    open: BTreeSet<PathBuf>,
    /// Something happened to files that are not known.
    unknown: bool,
}

impl Burst {
    fn add(&mut self, Event { paths, whole }: Event) {
        self.unknown |= paths.is_empty();
        for path in paths {
            match whole {
                true => self.open.remove(&path),
                false => self.open.insert(path.clone()),
            };
            self.touched.insert(path);
        }
    }

    fn quiet(&self) -> Duration {
        if self.open.is_empty() && !self.unknown { QUIET_WHOLE } else { QUIET }
    }
}

async fn follow(
    mut files: Files,
    watcher: Option<notify::RecommendedWatcher>,
    mut events: mpsc::UnboundedReceiver<Event>,
    inputs: mpsc::Sender<Input>,
) {
    while let Some(first) = events.recv().await {
        let mut burst = Burst::default();
        burst.add(first);
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let quiet = deadline.min(tokio::time::Instant::now() + burst.quiet());
            match tokio::time::timeout_at(quiet, events.recv()).await {
                Ok(Some(more)) => burst.add(more),
                Ok(None) | Err(_) => break,
            }
        }
        let scanned = tokio::task::spawn_blocking(move || {
            let edits = files.scan(&burst.touched);
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
        match edits {
            Ok(edits) if edits.is_empty() => {}
            Ok(edits) => {
                if inputs.send(Input::Edits(edits)).await.is_err() {
                    return;
                }
            }
            // The directory is gone or closed to us; what it said stays.
            Err(error) => tracing::warn!(%error, path = %files.root.display(), "files cannot be read"),
        }
    }
    // Held until here: dropping it ends the events. Without one nothing will ever come, and the inputs stay open.
    if watcher.is_none() {
        std::future::pending::<()>().await;
    }
}
