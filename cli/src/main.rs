//! Meltemi: a service-mesh control plane that speaks Istio's API.
//!
//! In: arguments. Out: one of the commands, and an exit code: 0 when it did what it was asked to, 1 when it did not
//! (`analyze`: the configuration has errors; `call`: requests got no answer), 2 when the arguments make no sense.

mod allocator;
mod args;
mod commands;
mod envoy_binary;
mod live;
mod output;
mod problems;
mod program_text;
mod secure;
mod serving;
mod table;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}
