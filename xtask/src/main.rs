//! Development tasks, run as `cargo xtask TASK`. One module a task; this file only names them.

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
}

fn main() -> anyhow::Result<()> {
    match Args::parse().task {
        Task::Setup => xtask::setup::run(),
    }
}
