//! Where things are kept between builds and runs, and how a file gets there whole or not at all.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::locate::ENVOY_VARIABLE;
use crate::{Error, VERSION, digest};

/// Names the cache directory.
pub const CACHE_VARIABLE: &str = "MELTEMI_CACHE";

/// Names a descriptor set directly, for builds that have one from elsewhere.
pub const DESCRIPTORS_VARIABLE: &str = "MELTEMI_ENVOY_FDS";

/// `MELTEMI_CACHE`, else `$XDG_CACHE_HOME/meltemi`, else `~/.cache/meltemi`.
pub fn cache_dir() -> Result<PathBuf, Error> {
    choose_cache_dir(|name| env::var_os(name).filter(|value| !value.is_empty()))
        .ok_or(Error::NoCacheDirectory)
}

fn choose_cache_dir(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    if let Some(directory) = variable(CACHE_VARIABLE) {
        return Some(directory.into());
    }
    if let Some(caches) = variable("XDG_CACHE_HOME") {
        return Some(Path::new(&caches).join("meltemi"));
    }
    variable("HOME").map(|home| Path::new(&home).join(".cache/meltemi"))
}

/// Where the pinned binary is, or will be.
pub fn pinned_envoy() -> Result<PathBuf, Error> {
    Ok(cache_dir()?.join("envoy").join(VERSION).join("envoy"))
}

/// Where the descriptor set of the Envoy in use is, or will be: `MELTEMI_ENVOY_FDS` if set, beside the pinned binary,
/// or, for the binary that `MELTEMI_ENVOY` names, in a directory that is keyed by that binary's checksum.
pub fn descriptor_set() -> Result<PathBuf, Error> {
    if let Some(path) = env::var_os(DESCRIPTORS_VARIABLE).filter(|value| !value.is_empty()) {
        return Ok(path.into());
    }
    let directory = cache_dir()?.join("envoy");
    let key = match env::var_os(ENVOY_VARIABLE).filter(|value| !value.is_empty()) {
        Some(binary) => format!("sha256-{}", digest::sha256_of_file(Path::new(&binary))?),
        None => VERSION.to_owned(),
    };
    Ok(directory.join(key).join("envoy.fds"))
}

/// A directory in the cache (so that renames out of it are atomic) that is removed when dropped.
pub(crate) fn scratch_dir() -> Result<tempfile::TempDir, Error> {
    let cache = cache_dir()?;
    fs::create_dir_all(&cache).map_err(Error::io("create", &cache))?;
    tempfile::Builder::new()
        .prefix("fetch-")
        .tempdir_in(&cache)
        .map_err(Error::io("create a directory in", &cache))
}

/// Renames a finished file to its name; both are on one file system.
pub(crate) fn move_into_place(from: &Path, to: &Path) -> Result<(), Error> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    }
    fs::rename(from, to).map_err(Error::io("write", to))
}

/// Writes a file so that readers see the old content or the new one, never a part.
pub fn replace_file(path: &Path, content: &[u8]) -> Result<(), Error> {
    let parent = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
    let mut file = tempfile::NamedTempFile::new_in(parent).map_err(Error::io("create a file in", parent))?;
    file.write_all(content).map_err(Error::io("write", path))?;
    // Temporary files are private; a cache may be shared.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644)).map_err(Error::io("write", path))?;
    file.persist(path).map_err(|error| Error::Io {
        action: "write",
        path: path.to_path_buf(),
        source: error.error,
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_variable_wins() {
        fn set(names: &[(&str, &str)]) -> Option<PathBuf> {
            choose_cache_dir(|name| names.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        }
        let home = ("HOME", "/home/ada");
        assert_eq!(set(&[home]), Some("/home/ada/.cache/meltemi".into()));
        assert_eq!(set(&[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/meltemi".into()));
        assert_eq!(set(&[home, ("XDG_CACHE_HOME", "/c"), (CACHE_VARIABLE, "/m")]), Some("/m".into()));
        assert_eq!(set(&[]), None);
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/set");
        replace_file(&path, b"one").unwrap();
        replace_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1, "no temporary file is left");
    }
}
