//! `cargo xtask setup`: Envoy and the descriptors of its API, into the cache.
//!
//! In: the environment, as `envoy-fetch` reads it. Out: two files in the cache, and a line for each thing done. When
//! both are there it does nothing.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task reports to the person who runs it")]

use std::io::{IsTerminal, Write, stderr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use envoy_fetch::Progress;

use crate::descriptors;

/// Does what is missing.
pub fn run() -> Result<()> {
    let envoy = envoy()?;
    let set = envoy_fetch::descriptor_set()?;
    if set.is_file() {
        println!("descriptors  {}", set.display());
    } else {
        extract(&envoy, &set)?;
    }
    Ok(())
}

/// The binary that `MELTEMI_ENVOY` names, or else the pinned one: not just any that is on the `PATH`, for its API may
/// be another.
fn envoy() -> Result<PathBuf> {
    let path = if std::env::var_os(envoy_fetch::ENVOY_VARIABLE).is_some_and(|value| !value.is_empty()) {
        envoy_fetch::locate(None)?.context("MELTEMI_ENVOY is set, but no Envoy was found")?
    } else {
        let mut shown = String::new();
        let fetched = envoy_fetch::fetch(&mut |progress| show(progress, &mut shown));
        if !shown.is_empty() {
            eprintln!();
        }
        fetched?
    };
    println!("envoy        {}", path.display());
    Ok(path)
}

fn show(progress: Progress, shown: &mut String) {
    let line = match progress {
        Progress::Downloading { received, total } => {
            format!(
                "downloading Envoy {}: {} of {} MB",
                envoy_fetch::VERSION,
                received / 1_000_000,
                total / 1_000_000
            )
        }
        Progress::Verifying => "comparing checksums".to_owned(),
        Progress::Unpacking { written, total } => format!("unpacking: {}%", written * 100 / total.max(1)),
    };
    // A log file gets a line for each phase, a terminal one that is rewritten.
    let phase = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
    if stderr().is_terminal() {
        eprint!("\r\x1b[K{line}");
        // A lost progress line is no reason to stop.
        let _ = stderr().flush();
    } else if phase(&line) != phase(shown) {
        eprint!("{}{}", if shown.is_empty() { "" } else { "\n" }, phase(&line));
    }
    *shown = line;
}

fn extract(envoy: &Path, set: &Path) -> Result<()> {
    let binary = std::fs::read(envoy).with_context(|| format!("cannot read {}", envoy.display()))?;
    let files = descriptors::extract(&binary);
    descriptors::check(&files)
        .with_context(|| format!("the descriptors in {} are not usable", envoy.display()))?;
    envoy_fetch::replace_file(set, &descriptors::encode(&files))?;
    println!("descriptors  {} ({} files)", set.display(), files.len());
    Ok(())
}
