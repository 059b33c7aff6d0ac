//! `meltemi completion SHELL`: a script that teaches the shell our commands.

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::{
    args::{Cli, CompletionArgs},
    output,
};

pub fn run(args: &CompletionArgs) -> Result<ExitCode> {
    let CompletionArgs { shell } = args;
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut Cli::command(), "meltemi", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}
