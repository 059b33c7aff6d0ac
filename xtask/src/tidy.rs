//! `cargo xtask tidy`: the rules of this tree that the compiler does not know.
//!
//! In: the tracked files, `cargo tree`, deny.toml, and the table of allowed edges in ARCHITECTURE.md. Out: findings, each with
//! what to do about it. `xtask/tests/tidy.rs` runs the same as a test.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a task reports to the person who runs it")]

mod deny;
mod edges;
mod graph;
mod sources;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// A file or a crate.
    pub place: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, problem, remedy } = self;
        write!(formatter, "{place}: {problem}; {remedy}")
    }
}

/// All that was found.
#[derive(Debug, Default)]
pub struct Report {
    /// These fail.
    pub violations: Vec<Finding>,
    /// These are only listed.
    pub notes: Vec<Finding>,
}

/// The root of this workspace.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Prints what is found; an error if anything fails.
pub fn run() -> Result<()> {
    let Report { violations, notes } = check(&workspace_root())?;
    for note in &notes {
        println!("note: {note}");
    }
    for violation in &violations {
        eprintln!("error: {violation}");
    }
    match violations.len() {
        0 => Ok(()),
        count => bail!("{count} rules of this tree are broken"),
    }
}

/// Checks everything.
pub fn check(root: &Path) -> Result<Report> {
    let mut report = sources::check(root)?;
    report.violations.extend(edges::check(root)?);
    report.violations.extend(deny::check(root)?);
    Ok(report)
}
