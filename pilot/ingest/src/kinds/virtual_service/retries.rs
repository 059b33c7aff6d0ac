//! `retries` of a route, and of the mesh.

use crate::{
    at::At,
    values::{parse_duration, parse_positive_duration},
};
use mesh_api::networking::virtual_service::retry as api;
use mesh_model::{Reason, Retries, RetryOn};

/// What Envoy tries again on.
const CONDITIONS: [&str; 16] = [
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "envoy-ratelimited",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// Reads the block.
pub fn parse_retries(retries: api::HttpRetry, at: &At<'_>) -> Retries {
    // `retries: {}` is how generated configuration turns retries off.
    let says_nothing = retries == api::HttpRetry::default();
    let api::HttpRetry {
        attempts,
        per_try_timeout,
        retry_on,
        retry_remote_localities,
        retry_ignore_previous_hosts,
        backoff,
    } = retries;
    let at_attempts = at.field("attempts");
    let says_more = per_try_timeout.is_some()
        || retry_on.as_ref().is_some_and(|text| !text.is_empty())
        || retry_remote_localities.is_some();
    if attempts == Some(0) && says_more {
        at_attempts.warning_hint(
            Reason::Conflict,
            "nothing is tried again, so what is said of how has no effect; Istio refuses this",
            "write how often, as in attempts: 2, or leave the rest out",
        );
    }
    let attempts = match attempts.map(u32::try_from) {
        Some(Ok(attempts)) => attempts,
        Some(Err(_)) => {
            at_attempts.error_hint(
                Reason::InvalidValue,
                "the number of attempts is negative, so nothing is tried again",
                "write attempts: 2, or attempts: 0 to not try again",
            );
            0
        }
        None if says_nothing => 0,
        None => {
            at_attempts.warning_hint(
                Reason::Required,
                "without `attempts` nothing is tried again",
                "write attempts: 2",
            );
            0
        }
    };
    Retries {
        attempts,
        per_try_timeout: per_try_timeout
            .and_then(|value| parse_duration(value, &at.field("perTryTimeout")))
            .filter(|value| !value.is_zero()),
        on: match retry_on.filter(|text| !text.is_empty()) {
            Some(text) => parse_retry_on(&text, &at.field("retryOn")),
            None => RetryOn::default(),
        },
        remote_localities: retry_remote_localities.unwrap_or(false),
        ignore_previous_hosts: retry_ignore_previous_hosts.unwrap_or(true),
        backoff: backoff.and_then(|value| parse_positive_duration(value, &at.field("backoff"))),
    }
}

/// Words are conditions, numbers are status codes.
fn parse_retry_on(text: &str, at: &At<'_>) -> RetryOn {
    let mut conditions: Vec<&str> = Vec::new();
    let mut status_codes = Vec::new();
    if text.split(',').any(|word| word.is_empty() || word.trim() != word) {
        let words: Vec<&str> = text.split(',').map(str::trim).filter(|word| !word.is_empty()).collect();
        at.info_hint(
            Reason::InvalidValue,
            "spaces and empty conditions do not count here; Istio refuses them",
            format!("for Istio write {}", words.join(",")),
        );
    }
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Ok(code) = word.parse::<u16>() {
            match code {
                100..=599 => status_codes.push(code),
                _ => at.error_hint(
                    Reason::InvalidValue,
                    format!("{code} is not an HTTP status"),
                    "write one from 100 to 599",
                ),
            }
        } else if CONDITIONS.contains(&word) {
            if !conditions.contains(&word) {
                conditions.push(word);
            }
        } else {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{word}` is not a condition to retry on, and is left out"),
                format!("allowed are status codes and {}", CONDITIONS.join(", ")),
            );
        }
    }
    if !status_codes.is_empty() && !conditions.contains(&"retriable-status-codes") {
        conditions.push("retriable-status-codes");
    }
    RetryOn { conditions: conditions.join(",").into(), status_codes }
}
