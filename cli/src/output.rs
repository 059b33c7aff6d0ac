//! In: text of a command. Out: the same on stdout or stderr, coloured only where a person reads it.

use std::{
    fmt::Write as _,
    io::{self, ErrorKind, IsTerminal, Write},
};

use anyhow::{Context, Result};
use clap::ValueEnum;
use console::style;
use serde::Serialize;

/// How a command that reports something prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigFormat {
    /// One line a resource.
    Short,
    /// The whole of it.
    Json,
    /// The whole of it.
    Yaml,
}

/// Writes to stdout. A reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("can't write to stdout"),
    }
}

/// Writes as indented JSON to stdout.
pub fn print_json(value: &impl Serialize) -> Result<()> {
    print(&format!("{}\n", serde_json::to_string_pretty(value).context("can't write JSON")?))
}

/// Writes as YAML to stdout.
pub fn print_yaml(value: &impl Serialize) -> Result<()> {
    print(&serde_saphyr::to_string(value).context("can't write YAML")?)
}

/// Writes a remark to stderr, where it does not mix with a command's output.
pub fn remark(text: &str) {
    // There is nobody left to tell when stderr is closed.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a warning to stderr.
pub fn warn(text: &str) {
    remark(&format!("{} {text}", style("warning:").yellow().bold().for_stderr()));
}

/// Writes an error and its causes to stderr.
pub fn complain(error: &anyhow::Error) {
    let mut text = format!("{} {error}", style("error:").red().bold().for_stderr());
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Messages of libraries often hold their causes already.
        if !said.contains(&cause) {
            let _ = write!(text, "\n  because {cause}");
            said = cause;
        }
    }
    remark(&text);
}

/// Whether somebody watches stdout.
pub fn is_watched() -> bool {
    io::stdout().is_terminal()
}
