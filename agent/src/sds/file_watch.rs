//! When files may have changed that secrets are read from.
//!
//! In: files, whether they are there or not. Out: the system's word that something happened where they are. Kubernetes changes a mounted
//! file by turning a link to another directory, so every directory is watched in which a link or the file itself can be replaced. Where the
//! system gives no word (its watches are used up), files are looked at again and again.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use notify::{
    EventKind, RecommendedWatcher, RecursiveMode, Watcher as _,
    event::{AccessKind, AccessMode},
};
use tokio::{sync::watch, time::timeout};

/// A certificate and its key are written one after the other.
const QUIET: Duration = Duration::from_millis(50);
/// Where somebody writes all the time, files are looked at in its midst.
const PATIENCE: Duration = Duration::from_secs(1);
/// Without word: certificates are replaced long before they expire.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// Links that lead to a file; more than that are a circle.
const LINKS: usize = 32;

/// One for all streams: the system has few of them for each user. It is made when the first file is followed.
#[derive(Debug, Default)]
pub(super) struct FileWatch {
    watcher: Mutex<Option<RecommendedWatcher>>,
    happened: watch::Sender<()>,
}

impl FileWatch {
    /// Word of whatever happens from now on to files that anybody follows.
    pub(super) fn word(&self) -> watch::Receiver<()> {
        self.happened.subscribe()
    }

    /// From now on there is word when `files` may have changed; `false`: there is none, and they are to be looked at.
    pub(super) fn follow(&self, files: &[PathBuf]) -> bool {
        let directories: BTreeSet<PathBuf> = files.iter().flat_map(|file| directories(file)).collect();
        if directories.is_empty() {
            return true;
        }
        let followed = self.watch(&directories);
        if let Err(error) = &followed {
            tracing::debug!(%error, "files are looked at instead of being watched");
        }
        followed.is_ok()
    }

    fn watch(&self, directories: &BTreeSet<PathBuf>) -> notify::Result<()> {
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let watcher = match &mut *watcher {
            Some(watcher) => watcher,
            none => {
                let happened = self.happened.clone();
                none.insert(notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                    if event.is_ok_and(|event| is_read_only(&event)) {
                        return;
                    }
                    happened.send_replace(());
                })?)
            }
        };
        // Again each time: one that was replaced is another, under the same name.
        directories.iter().try_for_each(|directory| watcher.watch(directory, RecursiveMode::NonRecursive))
    }
}

/// Resolves when files that are followed may have changed, and nothing more has happened for a moment.
pub(super) async fn changed(word: &mut watch::Receiver<()>, followed: bool) {
    if !followed || word.changed().await.is_err() {
        return tokio::time::sleep(LOOK_AGAIN).await;
    }
    let settled = async { while timeout(QUIET, word.changed()).await.is_ok_and(|more| more.is_ok()) {} };
    let _ = timeout(PATIENCE, settled).await;
}

/// Opening and reading is what the agent does itself.
fn is_read_only(event: &notify::Event) -> bool {
    let written = EventKind::Access(AccessKind::Close(AccessMode::Write));
    event.kind.is_access() && event.kind != written && !event.need_rescan()
}

/// Where something must happen for `file` to become another one.
fn directories(file: &Path) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    let mut next = Some(std::path::absolute(file).unwrap_or_else(|_| file.to_owned()));
    for _ in 0..LINKS {
        let Some(path) = next.take() else { break };
        let mut parts = path.components();
        let mut done = PathBuf::new();
        while let Some(part) = parts.next() {
            let within = done.clone();
            done.push(part);
            let kind = std::fs::symlink_metadata(&done).map(|found| found.file_type());
            if kind.as_ref().is_ok_and(std::fs::FileType::is_dir) {
                continue;
            }
            // A link, the file, or the first part that is not there yet.
            if kind.is_ok_and(|kind| kind.is_symlink()) {
                let target = std::fs::read_link(&done).unwrap_or_default();
                next = Some(within.join(target).join(parts.as_path()));
            }
            directories.insert(within);
            break;
        }
    }
    directories
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn every_place_counts_where_a_file_can_be_replaced() {
        let base = tempfile::tempdir().unwrap();
        // As the system knows it: the directory for temporary files may itself be behind a link.
        let base = base.path().canonicalize().unwrap();
        let (mount, first) = (base.join("mount"), base.join("mount/..first"));
        fs::create_dir_all(&first).unwrap();
        fs::write(first.join("tls.crt"), "").unwrap();
        symlink("..first", mount.join("..data")).unwrap();
        symlink("..data/tls.crt", mount.join("tls.crt")).unwrap();
        symlink("mount", base.join("link")).unwrap();
        let of = |file: PathBuf| directories(&file).into_iter().collect::<Vec<_>>();
        assert_eq!(of(mount.join("tls.crt")), [mount.clone(), first.clone()]);
        assert_eq!(of(base.join("link/tls.crt")), [base.clone(), mount.clone(), first]);
        assert_eq!(of(mount.join("absent")), [mount]);
        assert_eq!(of(base.join("absent/too")), std::slice::from_ref(&base), "where it would appear");
        symlink("circle", base.join("circle")).unwrap();
        assert_eq!(of(base.join("circle")), [base]);
    }

    #[tokio::test]
    async fn a_link_that_is_turned_is_told_and_reading_is_not() {
        let base = tempfile::tempdir().unwrap();
        let mount = base.path();
        for (name, text) in [("..first", "1"), ("..second", "2")] {
            fs::create_dir(mount.join(name)).unwrap();
            fs::write(mount.join(name).join("file"), text).unwrap();
        }
        symlink("..first", mount.join("..data")).unwrap();
        symlink("..data/file", mount.join("file")).unwrap();
        let (watch, file) = (FileWatch::default(), mount.join("file"));
        let mut word = watch.word();
        assert!(watch.follow(std::slice::from_ref(&file)));
        assert_eq!(fs::read_to_string(&file).unwrap(), "1");
        symlink("..second", mount.join("..new")).unwrap();
        changed(&mut word, true).await;
        assert!(!word.has_changed().unwrap(), "reading is not told");
        fs::rename(mount.join("..new"), mount.join("..data")).unwrap();
        changed(&mut word, true).await;
        assert_eq!(fs::read_to_string(&file).unwrap(), "2");
        // In the directory that the link leads to now, too.
        assert!(watch.follow(std::slice::from_ref(&file)));
        fs::write(mount.join("..second/file"), "3").unwrap();
        changed(&mut word, true).await;
    }
}
