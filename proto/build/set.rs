//! The set of descriptors that everything is generated from.
//!
//! In: where it should be. Out: it, or what to do to have it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use prost::Message;
use prost_types::FileDescriptorSet;

/// The set at `path`, as it is and decoded.
///
/// # Errors
/// When it is not there, or is none: with the command that puts it there.
pub fn read(path: &Path) -> Result<(Vec<u8>, FileDescriptorSet)> {
    let bytes = fs::read(path).map_err(|error| {
        anyhow!(
            "the descriptors of Envoy's API are not there: run `cargo xtask setup` ({}: {error})",
            path.display()
        )
    })?;
    let unusable =
        || format!("{} is not a descriptor set: delete it and run `cargo xtask setup`", path.display());
    let set = FileDescriptorSet::decode(&*bytes).with_context(unusable)?;
    Ok((bytes, set))
}
