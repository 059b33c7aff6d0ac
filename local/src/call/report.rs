//! In: the outcome of each request. Out: the sums that people ask for. Knows nothing of how they are printed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde::Serialize;

use super::Outcome;

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Requests sent.
    pub requests: usize,
    /// Seconds from the first to the last.
    pub seconds: f64,
    /// Who answered, most often first; answers of proxies are not among them.
    pub answered_by: Vec<Share>,
    /// What was answered.
    pub codes: Vec<CodeCount>,
    /// What was not answered, and why.
    pub errors: Vec<ErrorCount>,
    /// The SPIFFE ids that the caller has proven; there should be one, or none when all was plaintext.
    pub called_as: Vec<String>,
    /// How long answers took; absent when there was none.
    pub latency: Option<Latency>,
}

/// One workload's part of the answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Share {
    /// The workload.
    pub workload: String,
    /// Its namespace.
    pub namespace: String,
    /// Its version; empty when it has none.
    pub version: String,
    /// How many answers.
    pub count: usize,
    /// How many of a hundred requests.
    pub percent: f64,
    /// How many of its pods answered.
    pub pods: usize,
    /// The SPIFFE id that it has proven to the caller; empty when it spoke plaintext, or TCP, where the application is not told.
    pub identity: String,
}

/// How often a status was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeCount {
    /// The HTTP status, or `TCP`.
    pub code: String,
    /// How often.
    pub count: usize,
    /// What the body says when no workload answered.
    pub text: String,
}

/// How often a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ErrorCount {
    /// Why.
    pub message: String,
    /// How often.
    pub count: usize,
}

/// Milliseconds until the answer was complete.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs)] // The names say it.
pub struct Latency {
    pub min: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

impl Report {
    pub(super) fn of(outcomes: &[Outcome], took: Duration) -> Self {
        let mut shares = BTreeMap::<_, BTreeMap<_, usize>>::new();
        let mut called_as = BTreeSet::new();
        let mut codes = BTreeMap::<_, usize>::new();
        let mut errors = BTreeMap::<_, usize>::new();
        let mut latencies = Vec::new();
        for Outcome { latency, answer } in outcomes {
            match answer {
                Ok(answer) => {
                    latencies.push(*latency);
                    *codes.entry((&answer.code, &answer.text)).or_default() += 1;
                    if let Some(by) = &answer.by {
                        let proven = answer.proven.as_ref();
                        called_as.extend(proven.map(|proven| &proven.client));
                        let identity = proven.map_or("", |proven| &proven.server);
                        let key = (&by.workload, &by.namespace, &by.version, identity);
                        let share = shares.entry(key).or_default();
                        *share.entry(&by.pod).or_default() += 1;
                    }
                }
                Err(message) => *errors.entry(message).or_default() += 1,
            }
        }
        let mut answered_by: Vec<Share> = shares
            .into_iter()
            .map(|((workload, namespace, version, identity), pods)| {
                let count = pods.values().sum();
                Share {
                    workload: workload.to_string(),
                    namespace: namespace.to_string(),
                    version: version.to_string(),
                    count,
                    percent: percent(count, outcomes.len()),
                    pods: pods.len(),
                    identity: identity.to_owned(),
                }
            })
            .collect();
        answered_by.sort_by_key(|share| std::cmp::Reverse(share.count));
        let codes = codes
            .into_iter()
            .map(|((code, text), count)| CodeCount { code: code.clone(), count, text: text.clone() })
            .collect();
        let errors = errors
            .into_iter()
            .map(|(message, count)| ErrorCount { message: message.clone(), count })
            .collect();
        let requests = outcomes.len();
        let latency = Latency::of(latencies);
        let called_as = called_as.into_iter().cloned().collect();
        Self { requests, seconds: took.as_secs_f64(), answered_by, codes, errors, called_as, latency }
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests are far below 2^52")]
fn percent(count: usize, of: usize) -> f64 {
    count as f64 * 100.0 / of as f64
}

impl Latency {
    fn of(mut latencies: Vec<Duration>) -> Option<Self> {
        latencies.sort_unstable();
        // The nearest rank: the smallest latency that so many of a hundred do not exceed.
        let rank = |percent: usize| {
            let rank = (latencies.len() * percent).div_ceil(100).max(1);
            latencies.get(rank - 1).map(|latency| latency.as_secs_f64() * 1000.0)
        };
        Some(Self { min: rank(0)?, p50: rank(50)?, p90: rank(90)?, p99: rank(99)?, max: rank(100)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, call::Answer};

    fn answered(by: Option<(&str, &str)>, code: &str, millis: u64) -> Outcome {
        let by = by.map(|(pod, version)| Identity {
            pod: pod.into(),
            namespace: "shop".into(),
            workload: "catalog".into(),
            app: "catalog".into(),
            version: version.into(),
        });
        let text = if by.is_some() { "" } else { "no healthy upstream" }.to_owned();
        let answer = Ok(Answer { code: code.to_owned(), by, text, proven: None });
        Outcome { latency: Duration::from_millis(millis), answer }
    }

    #[test]
    fn sums() {
        let outcomes = [
            answered(Some(("catalog-0", "v1")), "200", 1),
            answered(Some(("catalog-1", "v1")), "200", 2),
            answered(Some(("catalog-2", "v2")), "500", 3),
            answered(None, "503", 40),
            Outcome { latency: Duration::ZERO, answer: Err("refused".to_owned()) },
        ];
        let report = Report::of(&outcomes, Duration::from_secs(2));
        let shares: Vec<_> =
            report.answered_by.iter().map(|s| (s.version.as_str(), s.count, s.percent, s.pods)).collect();
        assert_eq!(shares, [("v1", 2, 40.0, 2), ("v2", 1, 20.0, 1)]);
        let codes: Vec<_> =
            report.codes.iter().map(|c| (c.code.as_str(), c.count, c.text.as_str())).collect();
        assert_eq!(codes, [("200", 2, ""), ("500", 1, ""), ("503", 1, "no healthy upstream")]);
        assert_eq!(report.errors, [ErrorCount { message: "refused".to_owned(), count: 1 }]);
        assert_eq!(report.latency, Some(Latency { min: 1.0, p50: 2.0, p90: 40.0, p99: 40.0, max: 40.0 }));
    }

    #[test]
    fn nothing_answered_has_no_latency() {
        assert_eq!(Report::of(&[], Duration::ZERO).latency, None);
    }
}
