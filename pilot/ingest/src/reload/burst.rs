//! Things that happen to files at about the same time.
//!
//! In: single events. Out: which paths were touched, and how long to wait for more: shortly when every file that was touched is closed
//! or renamed into place, longer while one is still open.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// How long it has to be quiet before files are read, while some file is being written.
const QUIET: Duration = Duration::from_millis(20);
/// The same when all that was touched is whole: enough for the next file of a checkout or an unpacked archive.
const QUIET_WHOLE: Duration = Duration::from_millis(1);

/// What happened.
#[derive(Debug)]
pub(crate) struct Event {
    /// To which files; empty when it is not known.
    pub(crate) paths: Vec<PathBuf>,
    /// Whether they are as they are meant to be: closed after writing, renamed, or gone.
    pub(crate) whole: bool,
}

/// The files of a burst.
#[derive(Debug, Default)]
pub(crate) struct Burst {
    /// As the system names them.
    pub(crate) touched: BTreeSet<PathBuf>,
    /// Those that somebody may still be writing.
    open: BTreeSet<PathBuf>,
    /// Something happened to files that are not known.
    pub(crate) unknown: bool,
}

impl Burst {
    /// One more thing happened.
    pub(crate) fn add(&mut self, Event { paths, whole }: Event) {
        self.unknown |= paths.is_empty();
        for path in paths {
            match whole {
                true => self.open.remove(&path),
                false => self.open.insert(path.clone()),
            };
            self.touched.insert(path);
        }
    }

    /// How long it has to be quiet before it is over.
    pub(crate) fn quiet(&self) -> Duration {
        if self.open.is_empty() && !self.unknown { QUIET_WHOLE } else { QUIET }
    }
}
