//! `meltemi control-plane`: not wired to the control plane yet.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::args::ControlPlaneArgs;

pub async fn run(_args: ControlPlaneArgs) -> Result<ExitCode> {
    bail!("`meltemi control-plane` is not built yet")
}
