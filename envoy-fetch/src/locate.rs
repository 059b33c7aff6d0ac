//! Which Envoy binary to use, without fetching one.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::{Error, cache};

/// Names the Envoy binary to use instead of the pinned one.
pub const ENVOY_VARIABLE: &str = "MELTEMI_ENVOY";

/// The Envoy to use: the one named explicitly, else `MELTEMI_ENVOY`, else the one in the cache, else `envoy` on the
/// `PATH`; `None` if there is none. A name that leads nowhere is an error: the user meant that one and no other. The cache comes before
/// the `PATH` because what is in it is the release that messages are made for and tests have seen; on the `PATH` is any.
pub fn locate(explicit: Option<&Path>) -> Result<Option<PathBuf>, Error> {
    if let Some(path) = explicit {
        return named("--envoy", path).map(Some);
    }
    if let Some(path) = env::var_os(ENVOY_VARIABLE).filter(|value| !value.is_empty()) {
        return named(ENVOY_VARIABLE, Path::new(&path)).map(Some);
    }
    let pinned = cache::pinned_envoy()?;
    if pinned.is_file() {
        return Ok(Some(pinned));
    }
    Ok(on_path(env::var_os("PATH").as_deref()))
}

fn named(origin: &'static str, path: &Path) -> Result<PathBuf, Error> {
    if path.is_file() {
        Ok(path.to_path_buf())
    } else {
        Err(Error::NotAFile { origin, path: path.to_path_buf() })
    }
}

fn on_path(path: Option<&OsStr>) -> Option<PathBuf> {
    env::split_paths(path?).map(|directory| directory.join("envoy")).find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_leads_nowhere_is_an_error() {
        let error = locate(Some(Path::new("/nowhere/envoy"))).unwrap_err().to_string();
        assert!(error.contains("--envoy names /nowhere/envoy"), "{error}");
    }

    #[test]
    fn the_path_is_searched_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let binary = directory.path().join("envoy");
        std::fs::write(&binary, b"").unwrap();
        let path = env::join_paths([Path::new("/nowhere"), directory.path()]).unwrap();
        assert_eq!(on_path(Some(&path)), Some(binary));
        assert_eq!(on_path(Some(OsStr::new("/nowhere"))), None);
    }
}
