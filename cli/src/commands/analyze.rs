//! `meltemi analyze`: not wired to ingest yet.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::AnalyzeArgs;

pub fn run(_args: &AnalyzeArgs) -> Result<ExitCode> {
    bail!("`meltemi analyze` is not built yet")
}
