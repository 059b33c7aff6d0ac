//! What was measured, for people: printed, and kept in `target/tmp/failover/`.
//!
//! `docs/reference/failover.md` shows one run's.

use anyhow::{Context, Result};
use std::{fs, path::Path};

/// Tells the figures of one test.
pub fn tell(test: &str, figures: &str) -> Result<()> {
    say(&format!("{test}: {figures}"));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failover");
    fs::create_dir_all(&directory).with_context(|| format!("make {}", directory.display()))?;
    let file = directory.join(format!("{test}.txt"));
    fs::write(&file, format!("{figures}\n")).with_context(|| format!("write {}", file.display()))
}

/// Prints a line, which is shown when the test fails or with `--nocapture`.
#[expect(clippy::print_stdout, reason = "tests capture it")]
pub fn say(text: &str) {
    println!("{text}");
}
