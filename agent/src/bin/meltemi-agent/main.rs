//! The program in a sidecar: `meltemi-agent proxy sidecar`, and what probes and hooks of a pod call.
//!
//! In: arguments as Istio's injector writes them, and the pod's environment. Out: a running proxy, and its exit code.

mod args;
mod proxy;
mod request;
mod wait;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use mesh_runtime::logging;

use args::{Cli, Command};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "logging may be what failed")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
}

fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { logging, command } = cli;
    logging::init(logging.format(), &logging.filter())?;
    // One thread: what an agent does for one Envoy is little, and each more costs memory in every pod.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("can't start the runtime")?;
    match command {
        Command::Proxy(args) => runtime.block_on(proxy::run(args)),
        Command::Wait(args) => runtime.block_on(wait::run(args)),
        Command::Request(args) => runtime.block_on(request::run(args)),
    }
}
