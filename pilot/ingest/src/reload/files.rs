//! The files as they were last read, and which of them a burst of events is about.
//!
//! In: paths that were touched. Out: edits for the files that differ. The names that the system gives are enough for an edit of
//! files among others; whatever else may have happened (a directory that came or went, a link, a lost event) is found by looking at
//! everything. A file that is being written, or that was emptied, is left as it was read last until the burst says that it is not waited
//! for any longer.

use super::{
    burst::Burst,
    held::{emptied, never_closed},
};
use crate::{
    at::Context,
    files::{Found, Tree, find_files, is_hidden, is_read, read_files, unreadable},
    store::{DocumentProblem, Edit},
};
use mesh_model::{Source, Str};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

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
pub(super) struct Files {
    root: PathBuf,
    /// The root as events name it.
    absolute: PathBuf,
    context: Context,
    stamps: BTreeMap<Str, Stamp>,
    /// The directories that were found, relative to the root.
    directories: BTreeSet<PathBuf>,
    /// Whether a link was found.
    links: bool,
    /// Files that are waited for because they are empty now, as events name them.
    emptied: Vec<PathBuf>,
}

impl Files {
    /// Nothing read yet. Fails when nobody can say where `root` is.
    pub(super) fn new(root: PathBuf, context: Context) -> io::Result<Self> {
        let absolute = std::env::current_dir()?.join(&root);
        let (stamps, directories, emptied) = Default::default();
        Ok(Self { root, absolute, context, stamps, directories, links: false, emptied })
    }

    /// Where they are.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Reads what a burst of events was about.
    pub(super) fn update(&mut self, burst: &Burst) -> io::Result<Vec<Edit>> {
        let Some(mut named) = self.named(burst) else { return self.scan(burst) };
        let mut waiting = Vec::new();
        named.retain(|file| {
            // Taken before the file is read: a write in between shows as a difference next time.
            let stamp = Stamp::of(file);
            if let Some(stamp) = &stamp
                && self.must_wait(file, stamp, burst, &mut waiting)
            {
                return false;
            }
            match stamp {
                Some(stamp) => self.stamps.insert(file.shown.clone(), stamp),
                None => self.stamps.remove(&file.shown),
            };
            true
        });
        waiting.extend(self.read(&named, burst));
        Ok(waiting)
    }

    /// The files that were found empty since this was last asked.
    pub(super) fn take_emptied(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.emptied)
    }

    /// Whether a file is not to be read yet. What is said of it meanwhile is added to `edits`.
    fn must_wait(&mut self, file: &Found, stamp: &Stamp, burst: &Burst, edits: &mut Vec<Edit>) -> bool {
        if burst.held.is_open(&file.path) {
            return true;
        }
        // One that was renamed into its place is another file, and whole.
        let is_same = |known: &Stamp| known.length > 0 && known.inode == stamp.inode;
        let said_something = self.stamps.get(&file.shown).is_some_and(is_same);
        let Some(path) = self.absolute(file).filter(|path| !burst.is_over(path)) else { return false };
        let is_emptied = stamp.length == 0 && said_something && !burst.held.is_late(&path);
        if is_emptied {
            self.emptied.push(path);
            edits.push(unreadable(&file.shown, emptied()));
        }
        is_emptied
    }

    /// Reads files, and says which of them may have been caught half-written after all.
    fn read(&self, files: &[Found], burst: &Burst) -> Vec<Edit> {
        let mut edits = read_files(files, &self.context);
        for (file, edit) in files.iter().zip(&mut edits) {
            if let Edit::File { path, problems, .. } = edit
                && burst.held.is_late(&file.path)
            {
                let source = Source::File { path: path.clone(), line: 1 };
                problems.push(DocumentProblem { source, problem: never_closed() });
            }
        }
        edits
    }

    /// The files that a burst was about, or `None` when names alone do not tell.
    fn named(&self, burst: &Burst) -> Option<Vec<Found>> {
        if burst.unknown || self.links {
            return None;
        }
        let mut named = Vec::new();
        for path in &burst.touched {
            let below = path.strip_prefix(&self.absolute).ok()?;
            if self.directories.contains(below) {
                return None;
            }
            if !below.parent().is_some_and(|parent| self.directories.contains(parent)) {
                // In a directory that is passed over, or in one whose own coming is still to be told.
                continue;
            }
            if is_hidden(below) {
                continue;
            }
            match std::fs::symlink_metadata(path) {
                Ok(metadata) if metadata.is_dir() || metadata.is_symlink() => return None,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) => return None,
            }
            if is_read(below) {
                named.push(Found { shown: below.to_string_lossy().into(), path: self.root.join(below) });
            }
        }
        Some(named)
    }

    /// Looks at everything and reads what is new or differs; what was touched is read in any case.
    pub(super) fn scan(&mut self, burst: &Burst) -> io::Result<Vec<Edit>> {
        let Tree { files, directories, links, closed } = find_files(&self.root)?;
        let mut stamps = BTreeMap::new();
        let (mut changed, mut edits) = (Vec::new(), Vec::new());
        for file in files {
            let Some(stamp) = Stamp::of(&file) else { continue };
            if self.is_touched(&file, burst) || self.stamps.get(&file.shown) != Some(&stamp) {
                if self.must_wait(&file, &stamp, burst, &mut edits) {
                    stamps.extend(self.stamps.remove_entry(&file.shown));
                    continue;
                }
                changed.push(file.clone());
            }
            stamps.insert(file.shown, stamp);
        }
        // What is in a directory that can't be looked into any more stays as it was last.
        let is_closed = |path: &str| closed.iter().any(|closed| Path::new(path).starts_with(&**closed));
        for (path, stamp) in self.stamps.iter().filter(|(path, _)| is_closed(path)) {
            stamps.entry(path.clone()).or_insert_with(|| stamp.clone());
        }
        edits.extend(self.read(&changed, burst));
        let gone = self.stamps.keys().filter(|path| !stamps.contains_key(*path));
        edits.extend(gone.map(|path| Edit::File {
            path: path.clone(),
            objects: Vec::new(),
            problems: Vec::new(),
            partial: false,
        }));
        (self.stamps, self.directories, self.links) = (stamps, directories, links);
        Ok(edits)
    }

    fn is_touched(&self, file: &Found, burst: &Burst) -> bool {
        !burst.touched.is_empty() && self.absolute(file).is_none_or(|path| burst.touched.contains(&path))
    }

    /// A file as events name it.
    fn absolute(&self, file: &Found) -> Option<PathBuf> {
        let below = file.path.strip_prefix(&self.root).ok()?;
        // A single file is its own root.
        Some(if below.as_os_str().is_empty() { self.absolute.clone() } else { self.absolute.join(below) })
    }
}

#[cfg(test)]
mod tests;
