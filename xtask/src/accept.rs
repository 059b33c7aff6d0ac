//! `cargo xtask gen` and `cargo xtask bless`: write the files that tests compare with what the code makes.
//!
//! In: which tests. Out: changed files in the work tree, to be read as a diff. The tests themselves know how to write.

use std::{env, process::Command};

use anyhow::{Context, Result, bail};

use crate::tidy::workspace_root;

/// Writes what is generated from the code: the CRDs and the reference.
pub fn generate() -> Result<()> {
    test(&["--package", "mesh-api", "--test", "crds"])?;
    test(&["--package", "mesh-tests", "--test", "reference"])
}

/// Accepts new golden outputs, of one crate or of all.
pub fn bless(package: Option<&str>) -> Result<()> {
    match package {
        Some(package) => test(&["--package", package]),
        None => test(&["--workspace"]),
    }
}

fn test(which: &[&str]) -> Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["test", "--no-fail-fast"])
        .args(which)
        .envs([("UPDATE_GOLDEN", "1"), ("INSTA_UPDATE", "always")])
        .current_dir(workspace_root())
        .status()
        .context("cannot run cargo")?;
    if !status.success() {
        bail!("some tests still fail: what they compare is not a file that they write");
    }
    Ok(())
}
