//! Which of Envoy's stats a bootstrap keeps, and with which tags.

use serde_json::{Value, json};

/// Stats by the beginning or end of their names, or by regular expression.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inclusion {
    /// Beginnings.
    pub prefixes: Vec<String>,
    /// Ends.
    pub suffixes: Vec<String>,
    /// Regular expressions.
    pub regexps: Vec<String>,
}

/// What a mesh needs of Envoy's stats: readiness and drain ask for some of them. The rest costs memory for each cluster.
const PREFIXES: [&str; 9] = [
    "http.inbound",
    "http.outbound",
    "http.http_proxy",
    "tcp.",
    "listener_manager.",
    "cluster_manager.",
    "control_plane.",
    "server.",
    "cluster.xds-grpc.",
];

/// What one looks for when a request goes astray.
const SUFFIXES: [&str; 14] = [
    "upstream_rq_total",
    "upstream_rq_completed",
    "upstream_rq_retry",
    "upstream_rq_timeout",
    "upstream_rq_pending_overflow",
    "upstream_cx_total",
    "upstream_cx_active",
    "upstream_cx_connect_fail",
    "membership_healthy",
    "membership_total",
    "outlier_detection.ejections_active",
    "outlier_detection.ejections_enforced_total",
    // A drain waits for connections to end.
    "downstream_cx_active",
    "ssl.fail_verify_san",
];

/// `stats_config`: these stats beside those that are always kept, with these tags beside Envoy's own.
pub(super) fn build_stats(stats: &Inclusion, tags: &[Value]) -> Value {
    let Inclusion { prefixes, suffixes, regexps } = stats;
    let prefixes = PREFIXES.into_iter().chain(prefixes.iter().map(String::as_str));
    let suffixes = SUFFIXES.into_iter().chain(suffixes.iter().map(String::as_str));
    let regexps = regexps.iter().map(|text| json!({ "safe_regex": { "regex": text } }));
    let patterns: Vec<Value> = prefixes
        .map(|text| json!({ "prefix": text }))
        .chain(suffixes.map(|text| json!({ "suffix": text })))
        .chain(regexps)
        .collect();
    json!({ "stats_tags": tags, "stats_matcher": { "inclusion_list": { "patterns": patterns } } })
}
