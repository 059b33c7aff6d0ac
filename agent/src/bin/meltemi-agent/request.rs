//! `meltemi-agent request`: one request to the agent or to Envoy's admin interface, for hooks of a pod that has no curl.

use std::{io::Write as _, net::SocketAddr, process::ExitCode};

use anyhow::{Result, bail};
use mesh_runtime::admin_client::{get, post};

use crate::args::RequestArgs;

pub async fn run(args: RequestArgs) -> Result<ExitCode> {
    let RequestArgs { method, path, debug_port, address } = args;
    let address = SocketAddr::new(address, debug_port);
    let path = format!("/{}", path.trim_start_matches('/'));
    let answer = match method.to_ascii_uppercase().as_str() {
        "GET" => get(address, &path).await?,
        "POST" => post(address, &path).await?,
        other => bail!("`{other}` is not supported: use GET or POST"),
    };
    std::io::stdout().write_all(&answer)?;
    Ok(ExitCode::SUCCESS)
}
