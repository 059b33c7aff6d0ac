//! `meltemi up`: not wired to the control plane yet.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::{LoggingArgs, UpArgs};

pub async fn run(_args: UpArgs, _logging: LoggingArgs) -> Result<ExitCode> {
    bail!("`meltemi up` is not built yet")
}
