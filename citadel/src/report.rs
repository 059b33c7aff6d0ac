//! How long everything still lives: the tree of certificates, for people, probes and dashboards.
//!
//! In: the authority, the control plane's own certificate, the ledger. Out: a [`Report`], metrics, and warnings in the log 90, 30 and 7
//! days before anything ends that nobody renews by itself.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use mesh_pki::{Credential, Facts, Revocations, credential::read_certificates};
use serde::{Deserialize, Serialize};

use crate::{
    authority::State,
    ledger::{Held, Standing},
    metrics::{Metrics, Part},
    root::store::Stored,
};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days before the end at which warnings begin.
const WARN_AT: [u32; 3] = [90, 30, 7];
/// What is renewed at half of its life, and lists that somebody replaces all the time.
const IS_LATE: f64 = 0.25;
/// A root of our own begins to be replaced when a fifth is left.
const ROOT_IS_LATE: f64 = 0.15;

/// The tree of certificates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// `plugged in` or `self-signed`.
    pub origin: String,
    /// How far a change of the root is.
    pub rotation: String,
    /// Names the set of trusted roots.
    pub bundle: String,
    /// Roots first, then what signs, then the control plane's own.
    pub certificates: Vec<Entry>,
    /// Certificates of workloads in use, as far as this replica has issued them.
    pub workloads: usize,
    /// Of these, those whose holders have not been handed the current roots.
    pub behind: usize,
    /// The workload's certificate that expires first: whose, and when in seconds since 1970.
    pub soonest_workload: Option<(String, u64)>,
    /// Those that should have been renewed: less than a quarter of their life is left. Of workloads that have gone, or can't renew.
    pub overdue: usize,
    /// Every certificate of a workload, those first that expire first; only where that was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub workload_certificates: Vec<WorkloadEntry>,
    /// The worst of the tree.
    pub severity: Severity,
}

/// A workload's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadEntry {
    /// Whose it is.
    pub identity: String,
    /// In seconds since 1970.
    pub not_after: u64,
    /// Seconds that it still lives.
    pub remaining: u64,
    /// Whether its holder has not been handed the current roots.
    pub behind: bool,
    /// Whether it should have been renewed.
    pub overdue: bool,
}

/// A certificate of the tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// `root`, `trusted root` (of others), `signer`, `intermediate`, `revocations` or `serving`.
    pub part: String,
    /// Its subject, or its first name.
    pub name: String,
    /// In hexadecimal.
    pub serial: String,
    /// In seconds since 1970.
    pub not_after: u64,
    /// Seconds that it still lives.
    pub remaining: u64,
    /// How bad that is.
    pub severity: Severity,
}

/// How soon something ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// Not soon.
    Fine,
    /// Within 90 days: plan.
    Notice,
    /// Within 30 days, or overdue for its renewal: act.
    Warning,
    /// Within 7 days, or over.
    Critical,
}

/// How bad it is that something nobody renews has so long to live.
fn long_lived(remaining: Duration) -> Severity {
    let [plan, act, now] = WARN_AT.map(|days| DAY * days);
    match remaining {
        left if left <= now => Severity::Critical,
        left if left <= act => Severity::Warning,
        left if left <= plan => Severity::Notice,
        _ => Severity::Fine,
    }
}

/// The same of something that is replaced by itself, which is late when less than this part of its life is left.
fn replaced_in_time(life: &Range<SystemTime>, is_late: f64, now: SystemTime) -> Severity {
    let left = life.end.duration_since(now).unwrap_or_default();
    let life = life.end.duration_since(life.start).unwrap_or_default();
    if left.is_zero() {
        Severity::Critical
    } else if left < life.mul_f64(is_late) {
        Severity::Warning
    } else {
        Severity::Fine
    }
}

impl Report {
    /// As of `now`.
    pub fn new(
        state: &State,
        stored: &Stored,
        serving: &Credential,
        standing: &Standing,
        now: SystemTime,
    ) -> Self {
        let mut certificates = Vec::new();
        for root in state.bundle().roots() {
            let Ok(facts) = Facts::read(root) else { continue };
            let own = state.own().roots().contains(root);
            let mut severity = long_lived(facts.remaining(now));
            if own && !stored.plugged_in {
                // It is replaced by itself: a matter of concern only when that has not happened in time.
                severity =
                    severity.min(replaced_in_time(&(facts.not_before..facts.not_after), ROOT_IS_LATE, now));
            }
            let part = if own { "root" } else { "trusted root" };
            certificates.push(Entry::new(part, &facts, severity, now));
        }
        for (index, pem) in state.intermediates().iter().enumerate() {
            let read = read_certificates(pem).ok();
            let facts = read.and_then(|read| Facts::read(read.first()?).ok());
            if let Some(facts) = facts {
                let part = if index == 0 { "signer" } else { "intermediate" };
                certificates.push(Entry::new(part, &facts, long_lived(facts.remaining(now)), now));
            }
        }
        certificates.extend(state.revocations().and_then(|lists| Entry::of_lists(lists, now)));
        let facts = serving.facts();
        let severity = replaced_in_time(&(facts.not_before..facts.not_after), IS_LATE, now);
        certificates.push(Entry::new("serving", facts, severity, now));
        let severity = certificates.iter().map(|entry| entry.severity).max().unwrap_or(Severity::Fine);
        let Standing { certificates: workloads, behind, behind_until: _, soonest, latest: _, overdue } =
            standing;
        Self {
            origin: if stored.plugged_in { "plugged in" } else { "self-signed" }.to_owned(),
            rotation: stored.kept.rotation.name().to_owned(),
            bundle: state.bundle().digest().to_string(),
            certificates,
            workloads: *workloads,
            behind: *behind,
            soonest_workload: soonest.as_ref().map(|(at, whose)| (whose.to_string(), seconds(*at))),
            overdue: *overdue,
            workload_certificates: Vec::new(),
            severity,
        }
    }

    /// With every workload's certificate.
    #[must_use]
    pub fn with_workloads(mut self, held: Vec<Held>, now: SystemTime) -> Self {
        let entries = held.into_iter().map(|Held { identity, not_after, behind, overdue }| WorkloadEntry {
            identity: identity.to_string(),
            not_after: seconds(not_after),
            remaining: not_after.duration_since(now).unwrap_or_default().as_secs(),
            behind,
            overdue,
        });
        self.workload_certificates = entries.collect();
        self
    }
}

impl Entry {
    fn new(part: &str, facts: &Facts, severity: Severity, now: SystemTime) -> Self {
        let name = facts.dns_names.first().cloned().unwrap_or_else(|| facts.subject.clone());
        Self {
            part: part.to_owned(),
            name,
            serial: facts.serial.clone(),
            not_after: seconds(facts.not_after),
            remaining: facts.remaining(now).as_secs(),
            severity,
        }
    }

    /// Revocation lists are short-lived, and somebody replaces them all the time.
    fn of_lists(lists: &Revocations, now: SystemTime) -> Option<Self> {
        let life = lists.first_to_end()?;
        Some(Self {
            part: "revocations".to_owned(),
            name: format!("the first of {} to end", lists.lists().len()),
            serial: lists.digest(),
            not_after: seconds(life.end),
            remaining: life.end.duration_since(now).unwrap_or_default().as_secs(),
            severity: replaced_in_time(life, IS_LATE, now),
        })
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Sets the metrics of a moment.
pub(crate) fn measure(metrics: &Metrics, state: &State, standing: &Standing, now: SystemTime) {
    let roots = state.own().roots().iter().filter_map(|root| Facts::read(root).ok());
    if let Some(first) = roots.map(|facts| facts.not_after).min() {
        metrics.expires(Part::root, first, now);
    }
    metrics.expires(Part::signer, state.facts().not_after, now);
    let between = state.intermediates().iter().skip(1).filter_map(|pem| read_certificates(pem).ok());
    let between = between.filter_map(|read| Facts::read(read.first()?).ok());
    if let Some(first) = between.map(|facts| facts.not_after).min() {
        metrics.expires(Part::intermediate, first, now);
    }
    if let Some(life) = state.revocations().and_then(Revocations::first_to_end) {
        metrics.expires(Part::revocations, life.end, now);
    }
    if let Some((at, _)) = &standing.soonest {
        metrics.expires(Part::workload, *at, now);
    }
    metrics.in_use.set(i64::try_from(standing.certificates).unwrap_or(i64::MAX));
    metrics.overdue.set(i64::try_from(standing.overdue).unwrap_or(i64::MAX));
    metrics.behind.set(i64::try_from(standing.behind).unwrap_or(i64::MAX));
}

/// Says what ends soon: once for each step of severity and certificate, and in the last days every day.
#[derive(Default)]
pub(crate) struct Warner {
    /// By serial number: how bad it was, and days that were left.
    said: std::collections::HashMap<String, (Severity, u64)>,
}

impl Warner {
    /// Looks at `report`.
    pub(crate) fn look(&mut self, report: &Report) {
        for Entry { part, name, serial, not_after: _, remaining, severity } in &report.certificates {
            let days = remaining / DAY.as_secs();
            let before = self.said.insert(serial.clone(), (*severity, days));
            let (before, days_before) = before.unwrap_or((Severity::Fine, days));
            let again = *severity == Severity::Critical && days < days_before;
            if *severity <= before && !again {
                continue;
            }
            match severity {
                Severity::Fine => {}
                Severity::Notice => {
                    tracing::warn!(
                        part,
                        name,
                        days,
                        "this certificate ends within 90 days: plan to replace it"
                    );
                }
                Severity::Warning => {
                    tracing::warn!(part, name, days, "this certificate ends soon: renew it now");
                }
                Severity::Critical => {
                    tracing::error!(
                        part,
                        name,
                        days,
                        "this certificate ends within days, and with it the mesh's traffic"
                    );
                }
            }
        }
        let current: std::collections::HashSet<&str> =
            report.certificates.iter().map(|entry| entry.serial.as_str()).collect();
        self.said.retain(|serial, _| current.contains(serial.as_str()));
    }
}

#[cfg(test)]
mod tests;
