//! Where bootstraps, logs and the workloads' keys go: a directory that is removed at the end, or one that the user named and keeps.
//!
//! In: a name, or none. Out: a directory. A process that is killed removes nothing, and what it leaves has keys in it: so each temporary
//! directory has a file that its process holds a lock on, and the next process removes those whose lock is free.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

const PREFIX: &str = "meltemi-";
/// The file that is locked.
const LOCK: &str = "up.lock";

pub enum RunDirectory {
    Kept(PathBuf),
    Temporary(Temporary),
}

/// A directory that goes with its process.
pub struct Temporary {
    directory: TempDir,
    /// Held until the directory is gone: fields are dropped in this order.
    _lock: File,
}

impl Temporary {
    fn new(below: &Path) -> io::Result<Self> {
        let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(below)?;
        // It gets its name when it is locked: under that name nobody ever finds it free while its process runs.
        let path = directory.path().join("lock.new");
        let lock = File::create_new(&path)?;
        lock.lock()?;
        fs::rename(&path, directory.path().join(LOCK))?;
        Ok(Self { directory, _lock: lock })
    }

    /// Removes the directories of processes of this user that are gone.
    fn sweep(&self, below: &Path) -> io::Result<()> {
        let owner = fs::metadata(self.directory.path())?.uid();
        for entry in fs::read_dir(below)? {
            let entry = entry?;
            let is_ours = entry.metadata().is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == owner);
            if !is_ours || !entry.file_name().to_string_lossy().starts_with(PREFIX) {
                continue;
            }
            let path = entry.path();
            // Without the file it is another program's, or is being made.
            let Ok(lock) = OpenOptions::new().read(true).write(true).open(path.join(LOCK)) else { continue };
            if lock.try_lock().is_err() {
                continue;
            }
            match fs::remove_dir_all(&path) {
                Ok(()) => {
                    tracing::info!(path = %path.display(), "removed what a process left that was killed")
                }
                Err(error) => {
                    tracing::warn!(path = %path.display(), %error, "what a killed process left can't be removed")
                }
            }
        }
        Ok(())
    }
}

impl RunDirectory {
    /// `named`, made if need be, or a new temporary one.
    pub fn new(named: Option<PathBuf>) -> Result<Self> {
        match named {
            Some(path) => {
                fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
                Ok(Self::Kept(path))
            }
            None => {
                let below = std::env::temp_dir();
                let made = Temporary::new(&below).context("can't make a temporary directory")?;
                if let Err(error) = made.sweep(&below) {
                    tracing::warn!(path = %below.display(), %error, "what killed processes left is not looked for");
                }
                Ok(Self::Temporary(made))
            }
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(made) => made.directory.path(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_process_left_goes_and_what_is_in_use_stays() {
        let below = tempfile::tempdir().unwrap();
        let running = Temporary::new(below.path()).unwrap();
        // As a kill leaves it: there, and no longer locked.
        let Temporary { directory, _lock } = Temporary::new(below.path()).unwrap();
        let left = directory.keep();
        fs::write(left.join("key.pem"), "secret").unwrap();
        drop(_lock);
        for other in ["meltemi-other", "other"] {
            fs::create_dir(below.path().join(other)).unwrap();
        }
        fs::write(below.path().join("other").join(LOCK), "").unwrap();

        let next = Temporary::new(below.path()).unwrap();
        next.sweep(below.path()).unwrap();
        assert!(!left.exists());
        assert!(running.directory.path().exists() && next.directory.path().exists());
        assert!(below.path().join("meltemi-other").exists() && below.path().join("other").exists());
        let own = running.directory.path().to_owned();
        drop(running);
        assert!(!own.exists());
    }
}
