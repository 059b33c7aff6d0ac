//! Whether an answer is one that the explanation allows.

use crate::client::Answer;
use anyhow::{Result, ensure};
use mesh_model::Percent;
use pilot_view::explain::{Endpoints, Explanation, Outcome, Target};

/// How often which kind of agreement was seen.
#[derive(Debug, Default)]
pub struct Counts {
    pub requests: usize,
    pub by_cluster: usize,
    pub by_endpoint: usize,
    pub redirects: usize,
    pub answered: usize,
    pub unreachable: usize,
    pub unknown_hosts: usize,
    pub passed_rules: usize,
    pub handed_over: usize,
}

impl Counts {
    /// A generator that only makes one thing would agree on everything.
    pub fn check(&self) -> Result<()> {
        let Self {
            requests,
            by_cluster,
            by_endpoint,
            redirects,
            answered,
            unreachable,
            unknown_hosts,
            passed_rules,
            handed_over,
        } = self;
        ensure!(*requests >= 5000, "{self:?}");
        let kinds = [
            by_cluster,
            by_endpoint,
            redirects,
            answered,
            unreachable,
            unknown_hosts,
            passed_rules,
            handed_over,
        ];
        for seen in kinds {
            ensure!(*seen >= 50, "too few of a kind: {self:?}");
        }
        Ok(())
    }
}

/// What is different, if anything.
pub fn compare(explanation: &Explanation, answer: &Answer, counts: &mut Counts) -> Result<(), String> {
    counts.requests += 1;
    counts.passed_rules += explanation.passed.len();
    counts.handed_over += usize::from(explanation.rule.as_ref().is_some_and(|rule| rule.delegate.is_some()));
    counts.unknown_hosts += usize::from(explanation.virtual_host.is_none());
    if let Some(aborted) = &explanation.aborted
        && aborted.percent == Percent::ALL
    {
        counts.answered += 1;
        return same("status", &aborted.status, &answer.status.to_string());
    }
    rule(explanation, answer)?;
    match &explanation.outcome {
        Outcome::Redirected { status, location } => {
            counts.redirects += 1;
            same("status", status, &answer.status)?;
            same("location", &Some(location.clone()), &answer.location)
        }
        Outcome::Answered { status, why: _ } => {
            counts.answered += 1;
            same("status", status, &answer.status)
        }
        Outcome::Closed { why } => Err(format!("there should be no answer: {why}")),
        Outcome::Forwarded(targets) => forwarded(targets, answer, counts),
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, explained: &T, found: &T) -> Result<(), String> {
    if explained == found { Ok(()) } else { Err(format!("{what}: explained {explained:?}, found {found:?}")) }
}

/// Answers that Envoy gives without looking at a route name none.
fn rule(explanation: &Explanation, answer: &Answer) -> Result<(), String> {
    let explained = explanation.rule.as_ref().and_then(|rule| {
        // Whom it was handed over to sets the headers.
        let (object, path) = match &rule.delegate {
            Some((object, path)) => (object, path),
            None => (rule.object.as_ref()?, &rule.path),
        };
        Some(format!("{} {}", object.object.name, path.split(".match").next().unwrap_or_default()))
    });
    match (&explained, &answer.rule) {
        (Some(_), None) if answer.status == 503 => Ok(()),
        _ => same("rule", &explained, &answer.rule),
    }
}

fn forwarded(targets: &[Target], answer: &Answer, counts: &mut Counts) -> Result<(), String> {
    let clusters: Vec<&str> = targets.iter().map(|target| &*target.cluster).collect();
    let candidates: Vec<&Target> = match &answer.cluster {
        None => targets.iter().collect(),
        Some(cluster) => {
            counts.by_cluster += 1;
            targets.iter().filter(|target| *target.cluster == **cluster).collect()
        }
    };
    if candidates.is_empty() {
        return Err(format!("cluster: explained {clusters:?}, found {:?}", answer.cluster));
    }
    match (answer.status, &answer.endpoint) {
        (200, Some(endpoint)) => {
            counts.by_endpoint += 1;
            let has = |target: &&Target| match &target.endpoints {
                Endpoints::Known(known) => {
                    known.iter().any(|shown| shown.split(' ').next() == Some(endpoint))
                }
                Endpoints::Original | Endpoints::Resolved(_) | Endpoints::Named | Endpoints::Missing(_) => {
                    false
                }
            };
            if candidates.iter().any(has) {
                Ok(())
            } else {
                Err(format!("endpoint: {endpoint} is none of {candidates:#?}"))
            }
        }
        (503, None) => {
            counts.unreachable += 1;
            // What asks an HTTP proxy has no original destination, and nothing resolves the names of these requests.
            let elsewhere =
                |target: &Target| matches!(target.endpoints, Endpoints::Original | Endpoints::Named);
            let fails = |target: &&Target| !target.reachable() || elsewhere(target);
            if candidates.iter().any(fails) {
                Ok(())
            } else {
                Err("503 where an endpoint was explained".to_owned())
            }
        }
        (status, endpoint) => {
            Err(format!("explained {clusters:?}, found status {status} and endpoint {endpoint:?}"))
        }
    }
}
