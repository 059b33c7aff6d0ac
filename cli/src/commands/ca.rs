//! `meltemi ca`: the certificate authority, as the running control plane tells of it, and a new root for it.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use citadel::report::{Entry, Report, Severity, WorkloadEntry};

use super::proxy::ask;
use crate::{
    args::{CaRotateArgs, CaStatusArgs},
    output::{self, Format},
    table::Table,
};

/// Prints the tree of certificates. The exit code is 1 when something ends soon.
pub async fn status(args: CaStatusArgs) -> Result<ExitCode> {
    let CaStatusArgs { output, workloads, endpoint } = args;
    let path = if workloads { "/healthz/certificates?workloads=true" } else { "/healthz/certificates" };
    let report: Report = ask(endpoint.socket(), path).await?;
    match output {
        Format::Json => output::print_json(&report)?,
        Format::Text => output::print(&text(&report))?,
    }
    Ok(if report.severity >= Severity::Warning { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Asks for a new root.
pub async fn rotate(args: CaRotateArgs) -> Result<ExitCode> {
    let CaRotateArgs { kubeconfig, namespace } = args;
    let client = pilot_ingest::connect(kubeconfig.as_deref()).await?;
    citadel::root::store::request_rotation(client, &namespace).await?;
    output::print("asked for a new root: `meltemi ca status` tells how far its distribution is\n")?;
    Ok(ExitCode::SUCCESS)
}

fn text(report: &Report) -> String {
    let Report {
        origin,
        rotation,
        bundle,
        certificates,
        workloads,
        behind,
        soonest_workload,
        overdue,
        workload_certificates,
        severity: _,
    } = report;
    let mut table = Table::new(["CERTIFICATE", "NAME", "ENDS IN", "STATE"]);
    for Entry { part, name, serial: _, not_after: _, remaining, severity } in certificates {
        let remaining = Duration::from_secs(*remaining);
        table.row([part.clone(), name.clone(), life(remaining), state(*severity).to_owned()]);
    }
    let mut lines = table.lines();
    lines.push(String::new());
    lines.push(format!("authority: {origin}, root: {rotation}, trusted roots: {bundle}"));
    let mut of_workloads = format!("workloads: {workloads} with a certificate of this replica");
    if *behind > 0 {
        of_workloads.push_str(&format!(", {behind} of them without the newest roots yet"));
    }
    if *overdue > 0 {
        of_workloads.push_str(&format!(", {overdue} with less than a quarter of their life left"));
    }
    lines.push(of_workloads);
    if let Some((whose, _)) = soonest_workload {
        lines.push(format!("the first to renew: {whose}"));
    }
    if !workload_certificates.is_empty() {
        let mut table = Table::new(["WORKLOAD", "ENDS IN", "ROOTS", "STATE"]);
        for WorkloadEntry { identity, not_after: _, remaining, behind, overdue } in workload_certificates {
            let remaining = life(Duration::from_secs(*remaining));
            let roots = if *behind { "old" } else { "current" };
            let state = if *overdue { "should have been renewed" } else { "fine" };
            table.row([identity.clone(), remaining, roots.to_owned(), state.to_owned()]);
        }
        lines.push(String::new());
        lines.extend(table.lines());
    }
    lines.join("\n") + "\n"
}

fn state(severity: Severity) -> &'static str {
    match severity {
        Severity::Fine => "fine",
        Severity::Notice => "ends within 90 days",
        Severity::Warning => "ends soon: renew it now",
        Severity::Critical => "ends within days, or has ended",
    }
}

fn life(remaining: Duration) -> String {
    let hours = remaining.as_secs() / 3600;
    match hours {
        0 => format!("{} minutes", remaining.as_secs() / 60),
        1..48 => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tree_is_a_table_with_what_remains() {
        let entry = |part: &str, remaining, severity| Entry {
            part: part.to_owned(),
            name: "O=cluster.local".to_owned(),
            serial: "01".to_owned(),
            not_after: 0,
            remaining,
            severity,
        };
        let report = Report {
            origin: "self-signed".to_owned(),
            rotation: "steady".to_owned(),
            bundle: "ab12".to_owned(),
            certificates: vec![
                entry("root", 86_400 * 20, Severity::Warning),
                entry("serving", 3600 * 20, Severity::Fine),
            ],
            workloads: 3,
            behind: 1,
            soonest_workload: Some(("spiffe://cluster.local/ns/a/sa/b".to_owned(), 0)),
            overdue: 1,
            workload_certificates: vec![WorkloadEntry {
                identity: "spiffe://cluster.local/ns/a/sa/b".to_owned(),
                not_after: 0,
                remaining: 3600 * 3,
                behind: true,
                overdue: true,
            }],
            severity: Severity::Warning,
        };
        let expected = "\
CERTIFICATE   NAME              ENDS IN    STATE
root          O=cluster.local   20 days    ends soon: renew it now
serving       O=cluster.local   20 hours   fine

authority: self-signed, root: steady, trusted roots: ab12
workloads: 3 with a certificate of this replica, 1 of them without the newest roots yet, 1 with less than a quarter of their life left
the first to renew: spiffe://cluster.local/ns/a/sa/b

WORKLOAD                           ENDS IN   ROOTS   STATE
spiffe://cluster.local/ns/a/sa/b   3 hours   old     should have been renewed
";
        assert_eq!(text(&report), expected);
    }
}
