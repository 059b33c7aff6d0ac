//! Development tasks, run as `cargo xtask TASK`. One module a task; this file only names them.

#![allow(clippy::print_stderr, reason = "a task reports to the person who runs it")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Meltemi's development tasks.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Fetch the pinned Envoy and extract the descriptors of its API, which the build generates types from.
    Setup,
    /// Check the rules of this tree that the compiler does not know: dependency edges, file sizes, names, headers.
    Tidy,
    /// Write what is generated from the code: the CRDs and the reference.
    Gen,
    /// Accept new golden outputs; then read the diff.
    Bless {
        /// Only of this crate.
        package: Option<String>,
    },
    /// Build in release and measure what docs/benchmarks.md reports; arguments go to the benchmark (`--quick`, `--only NAME`, `--json -`).
    Bench {
        /// Arguments of the benchmark.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Args::parse().task {
        Task::Setup => xtask::setup::run(),
        Task::Tidy => xtask::tidy::run(),
        Task::Gen => xtask::accept::generate(),
        Task::Bless { package } => xtask::accept::bless(package.as_deref()),
        Task::Bench { arguments } => xtask::bench::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
