//! Files that are not read yet, though something happened to them.
//!
//! In: that a file is being written, is whole, or is suddenly empty. Out: which files keep what they said before, which were waited for
//! in vain (those are read as they are), and what is said of both.

use mesh_model::{Problem, Reason};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// How long a file is waited for that somebody has open for writing, or that was emptied. Longer than whatever writes a file in one go
/// takes (`kubectl get -o yaml > FILE` empties it first and writes when the cluster has answered), and not so long that one that is kept
/// open for good, or on a mount that does not tell of its closing, would never be read.
const BOUND: Duration = Duration::from_secs(30);

/// What is waited for, from one burst to the next.
#[derive(Debug, Clone, Default)]
pub(crate) struct Held {
    /// Files that were written and not closed since, and since when.
    open: BTreeMap<PathBuf, Instant>,
    /// Files that said something and are empty now, and since when.
    emptied: BTreeMap<PathBuf, Instant>,
    /// Files whose closing was waited for in vain. It is not waited for again until it is known to be told.
    late: BTreeSet<PathBuf>,
}

impl Held {
    /// Something was written to a file, and whoever does so still has it open. Returns whether that is news.
    pub(super) fn written(&mut self, path: &Path, now: Instant) -> bool {
        if self.late.contains(path) {
            return true;
        }
        let is_news = !self.open.contains_key(path);
        if is_news {
            self.open.insert(path.to_owned(), now);
        }
        is_news
    }

    /// A file is as it is meant to be.
    pub(super) fn whole(&mut self, path: &Path) {
        self.open.remove(path);
        self.emptied.remove(path);
        self.late.remove(path);
    }

    /// A file that said something is empty now: whoever did that may be about to write it.
    pub(super) fn emptied(&mut self, path: PathBuf, now: Instant) {
        self.emptied.entry(path).or_insert(now);
    }

    /// When the first of them will have been waited for long enough.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.values().chain(self.emptied.values()).min().map(|since| *since + BOUND)
    }

    /// Those that have been waited for long enough by `now`.
    pub(super) fn expire(&mut self, now: Instant) -> BTreeSet<PathBuf> {
        let is_over = |_: &PathBuf, since: &mut Instant| *since + BOUND <= now;
        let mut over: BTreeSet<_> = self.open.extract_if(.., is_over).map(|(path, _)| path).collect();
        self.late.extend(over.iter().cloned());
        over.extend(self.emptied.extract_if(.., is_over).map(|(path, _)| path));
        over
    }

    /// Whether somebody has a file open for writing, whatever name it is known by here.
    pub(crate) fn is_open(&self, path: &Path) -> bool {
        self.open.keys().any(|open| is_same(open, path))
    }

    /// Whether the closing of a file was waited for in vain.
    pub(crate) fn is_late(&self, path: &Path) -> bool {
        self.late.iter().any(|late| is_same(late, path))
    }
}

/// Whether two names are of one file: what a link leads to is written by its own name.
fn is_same(one: &Path, other: &Path) -> bool {
    let inode = |path| std::fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    one == other || matches!((inode(one), inode(other)), (Ok(one), Ok(other)) if one == other)
}

/// What is said of a file that has nothing in it any more.
pub(crate) fn emptied() -> Problem {
    let message = format!(
        "the file is empty now; what it said before stays for {} seconds, as it may be about to be written",
        BOUND.as_secs()
    );
    Problem::warning(Reason::Malformed, "", message).hint("remove the file to take away at once what it said")
}

/// What is said of a file that was read though it may not be whole.
pub(crate) fn never_closed() -> Problem {
    let message = format!(
        "somebody has had this file open for writing for {} seconds, so it is read as it is, be it whole or not",
        BOUND.as_secs()
    );
    Problem::warning(Reason::Malformed, "", message)
        .hint("end the program that writes it, or let it write another file and rename that to this")
}
