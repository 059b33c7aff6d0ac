//! `outboundClusterStatName` and `inboundClusterStatName`: names of statistics, with words that stand for parts of a service.

use crate::at::At;
use mesh_model::{Reason, Str};

/// Words that stand for parts of a service in names of statistics.
const STAT_NAME_WORDS: &[&str] = &[
    "SERVICE",
    "SERVICE_FQDN",
    "SERVICE_NAME",
    "SERVICE_PORT",
    "SERVICE_PORT_NAME",
    "SUBSET_NAME",
    "TARGET_PORT",
];

/// `%SERVICE_FQDN%_%SERVICE_PORT%`: other words stay as they are, as in Istio, and are hardly meant.
pub(super) fn parse_stat_name(pattern: &str, at: &At<'_>) -> Str {
    for word in pattern.split('%').skip(1).step_by(2) {
        if !STAT_NAME_WORDS.contains(&word) {
            let hint = format!("use %{}%", STAT_NAME_WORDS.join("%, %"));
            at.warning_hint(Reason::InvalidValue, format!("`%{word}%` stands for nothing"), hint);
        }
    }
    pattern.into()
}
