//! Measures the control plane with a fleet of proxies that behave as Envoy does. Run it as `cargo xtask bench`.
//!
//! In: the program to measure. Out: a table, and the same as JSON. `scenarios` says what is measured; nothing here is a
//! test, and nothing fails for being slow.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark reports to the person who runs it"
)]

mod files;
mod fleet;
mod machine;
mod measure;
mod proxy;
mod report;
mod scenarios;
mod secure;
mod server;
mod shape;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use tokio::task::LocalSet;

use machine::{FLEET_CORE, Machine, pin, raise_file_limit};
use report::Report;
use scenarios::{Options, SCENARIOS};

/// Measures the control plane.
#[derive(Debug, Parser)]
struct Args {
    /// The program to measure: it is started as `PROGRAM control-plane --configDir ...`.
    #[arg(long)]
    program: PathBuf,
    /// A small mesh and few repetitions, to try the benchmark itself.
    #[arg(long)]
    quick: bool,
    /// Only these scenarios.
    #[arg(long)]
    only: Vec<String>,
    /// Also write the figures there, as JSON; `-` prints them, and the table goes to standard error then. May be given several times.
    #[arg(long, value_name = "FILE")]
    json: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Args { program, quick, only, json } = Args::parse();
    if let Some(unknown) = only.iter().find(|name| !SCENARIOS.iter().any(|(known, _)| known == name)) {
        let known: Vec<_> = SCENARIOS.iter().map(|(name, _)| *name).collect();
        bail!("there is no scenario {unknown:?}; there are {}", known.join(", "));
    }
    raise_file_limit(8192)?;
    pin(FLEET_CORE)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let options = Options { program, quick };
    let mut report = Report {
        machine: Machine::this(),
        command: std::env::args().skip(1).collect::<Vec<_>>().join(" "),
        rows: Vec::new(),
    };
    for (name, run) in SCENARIOS {
        if only.is_empty() || only.iter().any(|wanted| wanted == name) {
            eprintln!("measuring: {name}");
            let local = LocalSet::new();
            let outcome = runtime.block_on(local.run_until(run(&options, &mut report.rows)));
            outcome.with_context(|| format!("scenario {name}"))?;
        }
    }
    let (printed, files): (Vec<_>, Vec<_>) = json.into_iter().partition(|path| *path == Path::new("-"));
    let mut table = format!("{report}\n{} figures miss their bar\n", report.missed());
    let text = serde_json::to_string_pretty(&report)?;
    for path in files {
        std::fs::write(&path, &text).with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(table, "the same as JSON: {}", path.display())?;
    }
    if printed.is_empty() {
        print!("{table}");
    } else {
        eprint!("{table}");
        println!("{text}");
    }
    Ok(())
}
