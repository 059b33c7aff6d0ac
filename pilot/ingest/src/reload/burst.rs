//! Things that happen to files at about the same time.
//!
//! In: single events. Out: which paths were touched, which of them are not to be read yet (`held`), and until when to wait for more:
//! shortly when every file that was touched is closed or renamed into place, longer while one is still open.

use super::held::Held;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// How long it has to be quiet before files are read, while some file is being written.
const QUIET: Duration = Duration::from_millis(20);
/// The same when all that was touched is whole: enough for the next file of a checkout or an unpacked archive.
const QUIET_WHOLE: Duration = Duration::from_millis(1);

/// What may happen to files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Something was written to them, or they were emptied, by somebody who has not closed them since.
    Written,
    /// They are as they are meant to be: closed after writing, renamed, or gone.
    Whole,
    /// They came, or have other permissions, say.
    Other,
}

/// What happened.
#[derive(Debug)]
pub(crate) struct Event {
    /// To which files; empty when it is not known.
    pub(crate) paths: Vec<PathBuf>,
    /// And what.
    pub(crate) what: What,
}

impl Event {
    /// Something happened to files that are not known.
    pub(crate) fn unknown() -> Self {
        Self { paths: Vec::new(), what: What::Other }
    }
}

/// The files of a burst.
#[derive(Debug)]
pub(crate) struct Burst {
    /// As the system names them.
    pub(crate) touched: BTreeSet<PathBuf>,
    /// Those that are not read yet, also of earlier bursts.
    pub(crate) held: Held,
    /// Those that have been waited for long enough, and are read in any case.
    over: BTreeSet<PathBuf>,
    /// Those that somebody may still be writing.
    open: BTreeSet<PathBuf>,
    /// Something happened to files that are not known.
    pub(crate) unknown: bool,
    /// When the last of it happened.
    last: Instant,
}

impl Default for Burst {
    fn default() -> Self {
        Self::after(Held::default())
    }
}

impl Burst {
    /// Nothing yet, after bursts that left files to be waited for.
    pub(super) fn after(held: Held) -> Self {
        let (touched, over, open) = Default::default();
        Self { touched, held, over, open, unknown: false, last: Instant::now() }
    }

    /// Whether nothing happened that is worth a look.
    pub(super) fn is_empty(&self) -> bool {
        self.touched.is_empty() && !self.unknown
    }

    /// One more thing happened.
    pub(crate) fn add(&mut self, Event { paths, what }: Event) {
        let now = Instant::now();
        if paths.is_empty() {
            self.unknown = true;
            self.last = now;
            // The closing of a file may be what got lost.
            self.held = Held::default();
        }
        for path in paths {
            match what {
                What::Written => {
                    // Whoever writes on and on keeps nobody else waiting.
                    let is_news = self.held.written(&path, now);
                    if !is_news && !self.touched.contains(&path) {
                        continue;
                    }
                    self.open.insert(path.clone());
                }
                What::Whole => {
                    self.held.whole(&path);
                    self.open.remove(&path);
                }
                What::Other => {
                    self.open.insert(path.clone());
                }
            }
            self.touched.insert(path);
            self.last = now;
        }
    }

    /// Time passed, and nothing came: what has been waited for long enough by `now` is read.
    pub(super) fn expire(&mut self, now: Instant) {
        self.over = self.held.expire(now);
        self.touched.extend(self.over.iter().cloned());
    }

    /// Whether a file, as events name it, is read even if it has nothing in it.
    pub(crate) fn is_over(&self, path: &Path) -> bool {
        self.over.contains(path)
    }

    /// Until when it has to be quiet before it is over.
    pub(super) fn quiet(&self) -> Instant {
        self.last + if self.open.is_empty() && !self.unknown { QUIET_WHOLE } else { QUIET }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, what: What) -> Event {
        Event { paths: vec![name.into()], what }
    }

    fn is_open(burst: &Burst, name: &str) -> bool {
        burst.held.is_open(Path::new(name))
    }

    #[test]
    fn a_file_is_waited_for_across_bursts_until_it_is_closed() {
        let mut burst = Burst::default();
        burst.add(event("a", What::Written));
        burst.add(event("b", What::Written));
        burst.add(event("b", What::Whole));
        assert!(is_open(&burst, "a") && !is_open(&burst, "b"));
        let mut next = Burst::after(burst.held);
        next.add(event("a", What::Written));
        assert!(next.is_empty(), "more of the same is no burst of its own");
        next.add(event("b", What::Whole));
        assert_eq!(next.touched, BTreeSet::from(["b".into()]));
        assert!(is_open(&next, "a"));
        next.add(event("a", What::Whole));
        assert_eq!(next.touched, BTreeSet::from(["a".into(), "b".into()]));
        assert!(!is_open(&next, "a") && next.held.deadline().is_none());
    }

    #[test]
    fn a_file_that_is_never_closed_is_waited_for_once() {
        let mut burst = Burst::default();
        burst.add(event("a", What::Written));
        let mut next = Burst::after(burst.held);
        let deadline = next.held.deadline().unwrap();
        next.expire(deadline - Duration::from_millis(1));
        assert!(next.is_empty() && is_open(&next, "a"));
        next.expire(deadline);
        assert!(next.touched.contains(Path::new("a")) && next.is_over(Path::new("a")));
        assert!(!is_open(&next, "a") && next.held.is_late(Path::new("a")));
        // What is written from now on is read at once, until it is known again that closing is told.
        let mut later = Burst::after(next.held);
        later.add(event("a", What::Written));
        assert!(!later.is_empty() && !is_open(&later, "a"));
        later.add(event("a", What::Whole));
        assert!(!later.held.is_late(Path::new("a")));
        later.add(event("a", What::Written));
        assert!(is_open(&later, "a"));
    }

    #[test]
    fn where_events_were_lost_no_file_is_waited_for() {
        let mut burst = Burst::default();
        burst.add(event("a", What::Written));
        burst.add(Event::unknown());
        assert!(burst.unknown && !is_open(&burst, "a"));
    }
}
