//! In: nothing. Out: a temporary directory that is gone after the process, even after SIGKILL.
//!
//! Shared servers live in statics, which are never dropped, and an etcd leaves 120 MB behind. So a small shell waits
//! for the end of its input, which the kernel closes with this process, and then removes the directory.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// Waits until the input ends, then removes its argument: a few times, for writers that are just dying.
const SWEEPER: &str =
    "cat >/dev/null; for _ in 1 2 3 4 5 6 7 8 9; do rm -rf -- \"$1\" && exit; sleep 0.2; done";

/// A directory that does not outlive the process.
pub struct SweptDir {
    path: PathBuf,
    sweeper: Child,
    /// Closed by [`Drop`], or by the kernel.
    input: Option<ChildStdin>,
}

impl SweptDir {
    /// `prefix` says in /tmp whose it is.
    ///
    /// # Errors
    /// When the directory can't be made, or there is no shell.
    pub fn new(prefix: &str) -> Result<Self> {
        let directory = TempDir::with_prefix(prefix).context("make a temporary directory")?;
        let mut sweeper = Command::new("sh")
            .args(["-c", SWEEPER, "sweeper"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of the terminal's group: Ctrl-C ends the tests, and that is when the sweeper is needed.
            .process_group(0)
            .spawn()
            .context("start the shell that removes a temporary directory")?;
        let input = sweeper.stdin.take();
        Ok(Self { path: directory.keep(), sweeper, input })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SweptDir {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.sweeper.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_gone_when_dropped() {
        let directory = SweptDir::new("meltemi-sweep-").unwrap();
        let path = directory.path().to_owned();
        std::fs::write(path.join("file"), "x").unwrap();
        drop(directory);
        assert!(!path.exists());
    }
}
