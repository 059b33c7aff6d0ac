//! `meltemi-agent wait`: until the proxy takes requests, for containers that must not start before.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use anyhow::{Context, Result, bail};
use mesh_runtime::admin_client;
use tokio::time::{Instant, sleep, timeout};

use crate::args::WaitArgs;

pub async fn run(args: WaitArgs) -> Result<ExitCode> {
    let WaitArgs { timeout_seconds, request_timeout_millis, period_millis, url } = args;
    let address = address(&url)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let deadline = Instant::now() + Duration::from_secs(timeout_seconds);
    loop {
        let asked =
            timeout(Duration::from_millis(request_timeout_millis), admin_client::get(address, path)).await;
        let missing = match asked {
            Ok(Ok(_)) => return Ok(ExitCode::SUCCESS),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("{url} does not answer"),
        };
        if Instant::now() >= deadline {
            bail!("the proxy is not ready after {timeout_seconds} s: {missing}");
        }
        sleep(Duration::from_millis(period_millis)).await;
    }
}

fn address(url: &http::Uri) -> Result<SocketAddr> {
    let host = url.host().context("the URL names no host")?;
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse().with_context(|| format!("`{host}` is no IP address"))?;
    Ok(SocketAddr::new(ip, url.port_u16().unwrap_or(80)))
}
