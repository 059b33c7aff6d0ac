//! `meltemi call`: asks a running `meltemi up` where a workload's sidecar is, sends requests through it, and prints who
//! answered, with what, and how fast.

use std::{fmt::Write, process::ExitCode};

use anyhow::{Context, Result};
use console::style;
use indicatif::ProgressBar;
use meltemi_local::{
    call::{self, Call, CodeCount, ErrorCount, Latency, Report, Share},
    directory::{self, Entry},
    envoy::SidecarState,
};

use crate::{
    args::CallArgs,
    output::{self, Format},
    table::Table,
};

/// Below this nobody has to wait.
const PROGRESS_FROM: usize = 50;

pub async fn run(args: CallArgs) -> Result<ExitCode> {
    let CallArgs { workload, url, count, concurrency, headers, method, http2, timeout, output, ref endpoint } =
        args;
    let entries = directory::fetch(endpoint.socket())
        .await
        .context("is `meltemi up` running? It tells where workloads are; --address names another one")?;
    let from = choose(directory::find(&entries, &workload)?);
    if output == Format::Text {
        output::remark(&format!("from {} in {}", from.identity.pod, from.identity.namespace));
    }
    let call = Call {
        from: from.clone(),
        target: url,
        count,
        concurrency,
        method,
        headers: headers.into_iter().collect(),
        http2,
        timeout,
    };
    let bar = if count >= PROGRESS_FROM && output == Format::Text {
        ProgressBar::new(count as u64)
    } else {
        ProgressBar::hidden()
    };
    let report = call::run(&call, || bar.inc(1)).await;
    bar.finish_and_clear();
    match output {
        Format::Text => output::print(&text(&report))?,
        Format::Json => output::print_json(&report)?,
    }
    Ok(if report.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One that is ready, if any is: the others' errors are then not what was asked about.
fn choose(found: Vec<&Entry>) -> &Entry {
    found.iter().find(|entry| entry.sidecar == SidecarState::Ready).copied().unwrap_or(found[0])
}

fn text(report: &Report) -> String {
    let Report { requests, seconds, answered_by, codes, errors, called_as, latency } = report;
    let mut text = String::new();
    if !answered_by.is_empty() {
        let mut table =
            Table::new(["ANSWERED BY", "VERSION", "PODS", "REQUESTS", "SHARE", "", "PROVEN IDENTITY"]);
        for Share { workload, namespace, version, count, percent, pods, identity } in answered_by {
            table.row([
                format!("{workload}.{namespace}"),
                version.clone(),
                pods.to_string(),
                count.to_string(),
                format!("{percent:.1}%"),
                style(bar(*percent)).cyan().to_string(),
                if identity.is_empty() { "-".to_owned() } else { identity.clone() },
            ]);
        }
        let _ = writeln!(text, "{table}");
    }
    for identity in called_as {
        let _ = writeln!(text, "called as {identity}");
    }
    if !called_as.is_empty() {
        text.push('\n');
    }
    let mut table = Table::new(["RESULT", "REQUESTS", ""]);
    for CodeCount { code, count, text } in codes {
        table.row([coloured(code), count.to_string(), text.clone()]);
    }
    for ErrorCount { message, count } in errors {
        table.row([style("no answer").red().to_string(), count.to_string(), message.clone()]);
    }
    let _ = writeln!(text, "{table}");
    if let Some(Latency { min, p50, p90, p99, max }) = latency {
        let _ = writeln!(
            text,
            "latency   min {min:.1} ms   p50 {p50:.1} ms   p90 {p90:.1} ms   p99 {p99:.1} ms   max {max:.1} ms"
        );
    }
    let _ = writeln!(text, "{requests} requests in {seconds:.2} s");
    text
}

/// Twenty columns are the whole.
fn bar(percent: f64) -> String {
    let columns = (percent / 5.0).round().clamp(0.0, 20.0);
    (1..=20).filter(|column| f64::from(*column) <= columns).map(|_| '█').collect()
}

fn coloured(code: &str) -> String {
    match code.as_bytes().first() {
        Some(b'4') => style(code).yellow().to_string(),
        Some(b'5') => style(code).red().to_string(),
        _ => style(code).green().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_reads_from_who_to_how_fast() {
        let report = Report {
            requests: 10,
            seconds: 0.5,
            answered_by: vec![Share {
                workload: "catalog-v1".to_owned(),
                namespace: "shop".to_owned(),
                version: "v1".to_owned(),
                count: 9,
                percent: 90.0,
                pods: 2,
                identity: "spiffe://cluster.local/ns/shop/sa/catalog".to_owned(),
            }],
            codes: vec![
                CodeCount { code: "200".to_owned(), count: 9, text: String::new() },
                CodeCount { code: "503".to_owned(), count: 1, text: "no healthy upstream".to_owned() },
            ],
            errors: Vec::new(),
            called_as: vec!["spiffe://cluster.local/ns/shop/sa/web".to_owned()],
            latency: Some(Latency { min: 0.5, p50: 1.0, p90: 2.0, p99: 3.0, max: 3.25 }),
        };
        let text = text(&report);
        let text = console::strip_ansi_codes(&text);
        let expected = "\
ANSWERED BY       VERSION   PODS   REQUESTS   SHARE                        PROVEN IDENTITY
catalog-v1.shop   v1        2      9          90.0%   ██████████████████   spiffe://cluster.local/ns/shop/sa/catalog

called as spiffe://cluster.local/ns/shop/sa/web

RESULT   REQUESTS
200      9
503      1          no healthy upstream

latency   min 0.5 ms   p50 1.0 ms   p90 2.0 ms   p99 3.0 ms   max 3.2 ms
10 requests in 0.50 s
";
        assert_eq!(text, expected);
    }
}
