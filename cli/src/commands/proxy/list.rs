//! `meltemi proxy list`: one line a proxy, with how far it is for each type of configuration.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use console::style;
use meltemi_local::http_get;
use serde::{Deserialize, Serialize};

use super::NOT_RUNNING;
use crate::{
    args::ProxyListArgs,
    output::{self, Format},
    table::Table,
};

/// A proxy, as `/debug/syncz` tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProxySync {
    proxy: String,
    node_id: String,
    connected_seconds: f64,
    types: BTreeMap<String, TypeSync>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct TypeSync {
    #[serde(default)]
    sent: serde_json::Value,
    #[serde(default)]
    acked: serde_json::Value,
    #[serde(default)]
    in_flight: bool,
    #[serde(default)]
    nacks: u64,
}

pub async fn run(args: ProxyListArgs) -> Result<ExitCode> {
    let ProxyListArgs { output, endpoint } = args;
    let body = http_get::get(endpoint.socket(), "/debug/syncz").await.context(NOT_RUNNING)?;
    let proxies: Vec<ProxySync> = serde_json::from_slice(&body)
        .context("the control plane answers in another form: is it of another version?")?;
    match output {
        Format::Json => output::print_json(&proxies)?,
        Format::Text if proxies.is_empty() => output::remark("no proxy is connected"),
        Format::Text => output::print(&table(&proxies).to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

fn table(proxies: &[ProxySync]) -> Table {
    let mut table =
        Table::new(["NAME", "CLUSTERS", "ENDPOINTS", "LISTENERS", "ROUTES", "VIRTUAL HOSTS", "CONNECTED"]);
    for ProxySync { proxy, node_id: _, connected_seconds, types } in proxies {
        let of = |name: &str| types.get(name).map_or_else(|| style("-").dim().to_string(), state);
        table.row([
            proxy.clone(),
            of("cluster"),
            of("endpoints"),
            of("listener"),
            of("route"),
            of("virtual_host"),
            age(*connected_seconds),
        ]);
    }
    table
}

fn state(sync: &TypeSync) -> String {
    let TypeSync { sent, acked, in_flight, nacks } = sync;
    let state = if *in_flight || sent != acked { style("waiting").yellow() } else { style("synced").green() };
    if *nacks > 0 {
        format!("{state} {}", style(format!("({nacks} rejected)")).red())
    } else {
        state.to_string()
    }
}

fn age(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{}s", seconds / 60, seconds % 60),
        _ => format!("{}h{}m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_proxy() {
        let json = r#"[{"proxy": "cart-0.shop", "node_id": "sidecar~1~cart-0.shop~x", "connected_seconds": 62.5, "types": {
            "cluster": {"sent": 4, "acked": 4, "in_flight": false, "nacks": 0},
            "route": {"sent": 4, "acked": 3, "in_flight": true, "nacks": 1}}}]"#;
        let proxies: Vec<ProxySync> = serde_json::from_str(json).unwrap();
        let lines = table(&proxies).lines();
        let cells: Vec<String> = console::strip_ansi_codes(&lines[1])
            .split("   ")
            .map(|cell| cell.trim().to_owned())
            .filter(|cell| !cell.is_empty())
            .collect();
        assert_eq!(cells, ["cart-0.shop", "synced", "-", "-", "waiting (1 rejected)", "-", "1m2s"]);
    }
}
