//! In: a snapshot. Out: the lines of the screen.

use console::style;
use meltemi_local::{
    directory::Entry,
    envoy::{SidecarState, admin::Traffic},
};
use mesh_model::Severity;

use super::{Row, Snapshot, Sync};
use crate::{
    problems::{self, Count},
    table::Table,
};

/// More would push the table off the screen.
const SHOWN_PROBLEMS: usize = 8;

pub fn lines(snapshot: &Snapshot) -> Vec<String> {
    let Snapshot { title, rows, problems, hints } = snapshot;
    let mut lines = vec![title.clone(), String::new()];
    if !rows.is_empty() {
        let mut table = Table::new([
            "WORKLOAD",
            "VERSION",
            "ADDRESS",
            "ENVOY",
            "CONFIG",
            "REQUESTS IN",
            "OUT",
            "IDENTITY",
        ]);
        for row in rows {
            let Row { entry, sync, traffic } = row;
            let (inbound, outbound) = match traffic {
                Some(Traffic { inbound, outbound }) => (inbound.to_string(), outbound.to_string()),
                None => Default::default(),
            };
            table.row([
                row.name(),
                entry.identity.version.to_string(),
                entry.pod_address.to_string(),
                envoy(entry),
                self::sync(sync),
                inbound,
                outbound,
                // Last: what a narrow screen cuts off.
                entry.spiffe_id.as_deref().unwrap_or_default().to_owned(),
            ]);
        }
        lines.extend(table.lines());
        lines.push(String::new());
    }
    for row in rows {
        if let SidecarState::Down { reason } = &row.entry.sidecar {
            lines.push(format!("{} {}: Envoy {reason}", style("error").red().bold(), row.name()));
        }
        if let Some(error) = &row.entry.error {
            lines.push(format!("{} {error}", style("error").red().bold()));
        }
    }
    if !problems.is_empty() {
        let mut worst_first: Vec<_> = problems.iter().collect();
        worst_first.sort_by_key(|finding| std::cmp::Reverse(finding.problem.severity));
        lines.extend(worst_first.iter().take(SHOWN_PROBLEMS).map(|finding| problems::line(finding)));
        if problems.len() > SHOWN_PROBLEMS {
            let rest = problems.len() - SHOWN_PROBLEMS;
            lines.push(format!("and {rest} more; `meltemi analyze` prints all"));
        }
        let count = Count::of(problems);
        let worst = worst_first.first().map(|finding| finding.problem.severity);
        let summary = style(count.summary());
        let summary = if worst == Some(Severity::Error) { summary.red() } else { summary.yellow() };
        lines.extend([summary.to_string(), String::new()]);
    }
    if !hints.is_empty() {
        lines.push(style("Try next").bold().to_string());
        lines.extend(hints.iter().map(|hint| format!("  {hint}")));
    }
    lines
}

fn envoy(entry: &Entry) -> String {
    match &entry.sidecar {
        SidecarState::Starting => style("starting").yellow().to_string(),
        SidecarState::Ready if !entry.ready => style("ready, application not").yellow().to_string(),
        SidecarState::Ready => style("ready").green().to_string(),
        SidecarState::Down { .. } => style("down").red().to_string(),
    }
}

fn sync(sync: &Sync) -> String {
    match sync {
        Sync::Away => style("not connected").dim().to_string(),
        Sync::Waiting => style("waiting").yellow().to_string(),
        Sync::Synced => style("synced").green().to_string(),
        Sync::Rejected(count) => style(format!("{count} rejected")).red().to_string(),
    }
}
