//! One file a command. Here: which one runs, with which logging, on which runtime.

mod analyze;
mod ca;
mod call;
mod completion;
mod control_plane;
mod explain;
mod proxy;
mod up;
mod version;
mod wait;

use std::{process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use mesh_runtime::logging;

use crate::args::{CaCommand, Cli, Command, ExplainCommand, LoggingArgs, ProxyCommand};

/// Runs the command of `cli`.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { logging, command } = cli;
    match command {
        // `up` decides where its log goes: it owns the terminal.
        Command::Up(args) => in_runtime(up::run(args, logging)),
        Command::ControlPlane(args) => {
            start_logging(&logging, "info")?;
            in_runtime(control_plane::run(*args))
        }
        Command::Call(args) => {
            start_logging(&logging, "warn")?;
            in_runtime(call::run(args))
        }
        Command::Analyze(args) => {
            start_logging(&logging, "warn")?;
            in_runtime(analyze::run(args))
        }
        Command::Wait(args) => {
            start_logging(&logging, "warn")?;
            in_runtime(wait::run(args))
        }
        Command::Explain(ExplainCommand::Route(args)) => in_runtime(explain::route(args)),
        Command::Ca(CaCommand::Status(args)) => in_runtime(ca::status(args)),
        Command::Ca(CaCommand::Rotate(args)) => in_runtime(ca::rotate(args)),
        Command::Proxy(ProxyCommand::List(args)) => in_runtime(proxy::list(args)),
        Command::Proxy(ProxyCommand::Config(args)) => in_runtime(proxy::config(args)),
        Command::Completion(args) => completion::run(&args),
        Command::Version(args) => version::run(&args),
    }
}

fn start_logging(args: &LoggingArgs, default: &str) -> Result<()> {
    let LoggingArgs { log, log_format } = args;
    Ok(logging::init(*log_format, log.as_deref().unwrap_or(default))?)
}

/// How long threads that are in the middle of something may take to end after the command has.
const GRACE: Duration = Duration::from_secs(1);

fn in_runtime(command: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    let runtime = mesh_runtime::scheduler::build().context("can't start the runtime")?;
    let outcome = runtime.block_on(command);
    // A runtime that is dropped waits for all its threads: one that hangs, on a file system for example, would keep the process.
    runtime.shutdown_timeout(GRACE);
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_thread_that_hangs_does_not_keep_the_process() {
        let (done, is_done) = mpsc::channel();
        let (_never, wait) = mpsc::channel::<()>();
        std::thread::spawn(move || {
            let outcome = in_runtime(async {
                let (begun, has_begun) = tokio::sync::oneshot::channel();
                drop(tokio::task::spawn_blocking(move || {
                    let _ = begun.send(());
                    wait.recv()
                }));
                has_begun.await?;
                Ok(ExitCode::SUCCESS)
            });
            done.send(outcome.is_ok())
        });
        assert_eq!(is_done.recv_timeout(Duration::from_secs(60)), Ok(true));
    }
}
