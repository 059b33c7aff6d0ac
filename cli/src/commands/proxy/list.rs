//! `meltemi proxy list`: one line a proxy, with how far it is for each type of configuration.

use std::{collections::BTreeMap, process::ExitCode};

use anyhow::Result;
use console::style;
use pilot::debug::{ProxyState, TypeState};

use super::ask;
use crate::{
    args::ProxyListArgs,
    output::{self, Format},
    table::Table,
};

pub async fn run(args: ProxyListArgs) -> Result<ExitCode> {
    let ProxyListArgs { output, endpoint } = args;
    let proxies: Vec<ProxyState> = ask(endpoint.socket(), "/debug/syncz").await?;
    match output {
        Format::Json => output::print_json(&proxies)?,
        Format::Text if proxies.is_empty() => output::remark("no proxy is connected"),
        Format::Text => {
            output::print(&table(&proxies).to_string())?;
            remarks(&proxies).iter().for_each(|remark| output::remark(remark));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn table(proxies: &[ProxyState]) -> Table {
    let mut table = Table::new(["NAME", "CDS", "EDS", "LDS", "RDS", "VHDS", "PROTOCOL", "CONNECTED"]);
    for ProxyState { proxy, node_id: _, protocol, connected_seconds, synced: _, types, ignored: _ } in proxies
    {
        let of = |name: &str| {
            let of_type = types.iter().find(|of_type| of_type.r#type == name);
            of_type.map_or_else(|| style("-").dim().to_string(), state)
        };
        table.row([
            proxy.clone(),
            of("cds"),
            of("eds"),
            of("lds"),
            of("rds"),
            of("vhds"),
            protocol.clone(),
            age(*connected_seconds),
        ]);
    }
    table
}

/// What proxies say of themselves in vain: once for all that say the same.
fn remarks(proxies: &[ProxyState]) -> Vec<String> {
    let mut by_remark: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for ProxyState { proxy, ignored, .. } in proxies {
        ignored.iter().for_each(|remark| by_remark.entry(remark).or_default().push(proxy));
    }
    let line = |(remark, proxies): (&str, Vec<&str>)| match proxies.as_slice() {
        [first, _, ..] => format!("node metadata of {first} and {} more: {remark}", proxies.len() - 1),
        proxies => format!("node metadata of {}: {remark}", proxies.join("")),
    };
    by_remark.into_iter().map(line).collect()
}

fn state(of_type: &TypeState) -> String {
    let TypeState { r#type: _, sent: _, acked: _, in_flight, rejects } = of_type;
    let state = if *in_flight { style("waiting").yellow() } else { style("synced").green() };
    match rejects {
        0 => state.to_string(),
        rejects => format!("{state} {}", style(format!("({rejects} rejected)")).red()),
    }
}

fn age(seconds: u64) -> String {
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
        let of_type = |name: &str, in_flight, rejects| TypeState {
            r#type: name.to_owned(),
            sent: 4,
            acked: 4,
            in_flight,
            rejects,
        };
        let proxies = [ProxyState {
            proxy: "cart-0.shop".to_owned(),
            node_id: "sidecar~127.64.0.1~cart-0.shop~shop.svc.cluster.local".to_owned(),
            protocol: "delta".to_owned(),
            connected_seconds: 62,
            synced: false,
            types: vec![of_type("cds", false, 0), of_type("rds", true, 1)],
            ignored: vec!["GENERATOR has no effect".to_owned()],
        }];
        assert_eq!(remarks(&proxies), ["node metadata of cart-0.shop: GENERATOR has no effect"]);
        let both = [proxies[0].clone(), proxies[0].clone()];
        assert_eq!(remarks(&both), ["node metadata of cart-0.shop and 1 more: GENERATOR has no effect"]);
        let lines = table(&proxies).lines();
        let line = console::strip_ansi_codes(&lines[1]);
        let cells: Vec<&str> = line.split("   ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells, ["cart-0.shop", "synced", "-", "-", "waiting (1 rejected)", "-", "delta", "1m2s"]);
    }
}
