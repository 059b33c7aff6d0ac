//! In: two snapshots. Out: a line for each thing that became different, for logs.

use meltemi_local::envoy::SidecarState;

use super::{Row, Snapshot, Sync, by_name};
use crate::problems;

pub fn lines(old: &Snapshot, new: &Snapshot) -> Vec<String> {
    let mut lines = Vec::new();
    if old.title != new.title {
        lines.push(new.title.clone());
    }
    let before = by_name(&old.rows);
    let after = by_name(&new.rows);
    for (name, row) in &after {
        let old = before.get(name).copied();
        lines.extend(of_row(old, row).into_iter().map(|what| format!("{name}: {what}")));
    }
    lines.extend(
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| format!("{name}: stopped")),
    );
    let is_new = |finding: &&_| !old.problems.contains(finding);
    lines.extend(new.problems.iter().filter(is_new).map(problems::line));
    let is_gone = |finding: &&_| !new.problems.contains(finding);
    lines.extend(
        old.problems.iter().filter(is_gone).map(|finding| format!("solved: {}", problems::line(finding))),
    );
    if old.hints != new.hints && !new.hints.is_empty() {
        lines.push(format!("try next: {}", new.hints.join(" | ")));
    }
    lines
}

/// Takes a proxy that had everything, and waits for the acknowledgement of an edit, for one that has everything: otherwise
/// every edit would print lines, and not always the same ones.
pub fn settle(old: &Snapshot, new: &mut Snapshot) {
    let before = by_name(&old.rows);
    for row in &mut new.rows {
        let had_all = before.get(&row.name()).is_some_and(|old| old.sync == Sync::Synced);
        if had_all && row.sync == Sync::Waiting {
            row.sync = Sync::Synced;
        }
    }
}

fn of_row(old: Option<&Row>, new: &Row) -> Vec<String> {
    let mut lines = Vec::new();
    if old.map(|row| &row.entry.sidecar) != Some(&new.entry.sidecar) {
        lines.push(match &new.entry.sidecar {
            SidecarState::Starting => format!("Envoy is starting at {}", new.entry.pod_address),
            SidecarState::Ready => "Envoy is ready".to_owned(),
            SidecarState::Down { reason } => format!("Envoy {reason}"),
        });
    }
    let before = old.and_then(|row| row.entry.spiffe_id.as_deref());
    let after = new.entry.spiffe_id.as_deref();
    if let Some(id) = after.filter(|_| before != after) {
        lines.push(format!("is {id}"));
    }
    if old.map(|row| &row.entry.error) != Some(&new.entry.error) {
        lines.extend(new.entry.error.clone());
    }
    let sync = old.map_or(&Sync::Away, |row| &row.sync);
    if *sync != new.sync {
        match &new.sync {
            // Too short-lived to be worth a line.
            Sync::Waiting => {}
            Sync::Away => lines.push("has lost its connection to the control plane".to_owned()),
            Sync::Synced => lines.push("has its configuration".to_owned()),
            Sync::Rejected(count) => lines.push(format!("has rejected {count} resources")),
        }
    }
    lines
}
