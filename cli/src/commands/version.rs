//! `meltemi version`: this program's version, and that of the Envoy it was made for.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::{
    args::VersionArgs,
    output::{self, Format},
};

#[derive(Serialize)]
struct Versions {
    meltemi: &'static str,
    envoy: &'static str,
}

pub fn run(args: &VersionArgs) -> Result<ExitCode> {
    let VersionArgs { output } = args;
    let versions = Versions { meltemi: env!("CARGO_PKG_VERSION"), envoy: envoy_fetch::VERSION };
    match output {
        Format::Text => {
            let Versions { meltemi, envoy } = versions;
            output::print(&format!("meltemi {meltemi}\nenvoy {envoy}\n"))?;
        }
        Format::Json => output::print_json(&versions)?,
    }
    Ok(ExitCode::SUCCESS)
}
