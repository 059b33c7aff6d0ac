//! `cargo xtask bench`: builds the control plane and the benchmark optimised, and runs the one against the other.
//!
//! In: the benchmark's arguments. Out: its table on standard output and `target/bench/latest.json`; with `--json -` the JSON on standard
//! output. What is measured is in the crate `mesh-bench`.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::tidy::workspace_root;

/// Builds and measures.
pub fn run(arguments: &[String]) -> Result<()> {
    let root = workspace_root();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let build = Command::new(cargo)
        .args(["build", "--release", "--workspace", "--bin", "meltemi", "--bin", "mesh-bench"])
        .current_dir(&root)
        .status();
    if !build.context("cannot run cargo")?.success() {
        bail!("the build failed");
    }
    let target = env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let figures = target.join("bench");
    std::fs::create_dir_all(&figures).with_context(|| format!("cannot create {}", figures.display()))?;
    let bench = target.join("release/mesh-bench");
    let measured = Command::new(&bench)
        .arg("--program")
        .arg(target.join("release/meltemi"))
        .arg("--json")
        .arg(figures.join("latest.json"))
        .args(arguments)
        .current_dir(&root)
        .status();
    if !measured.with_context(|| format!("cannot run {}", bench.display()))?.success() {
        bail!("the benchmark failed");
    }
    Ok(())
}
