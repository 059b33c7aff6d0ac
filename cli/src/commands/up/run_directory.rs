//! Where bootstraps and logs go: a directory that is removed at the end, or one that the user named and keeps.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

pub enum RunDirectory {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl RunDirectory {
    /// `named`, made if need be, or a new temporary one.
    pub fn new(named: Option<PathBuf>) -> Result<Self> {
        match named {
            Some(path) => {
                std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
                Ok(Self::Kept(path))
            }
            None => {
                let directory = tempfile::Builder::new().prefix("meltemi-").tempdir();
                Ok(Self::Temporary(directory.context("can't make a temporary directory")?))
            }
        }
    }

    pub fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}
