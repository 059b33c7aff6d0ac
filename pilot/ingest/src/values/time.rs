//! Lengths of time and points in time.

use crate::at::At;
use k8s_openapi::jiff::Timestamp;
use mesh_api::duration::Duration as ApiDuration;
use mesh_model::{Duration, Reason};

const MILLISECOND: u64 = 1_000_000;

/// A duration that may be zero. Envoy counts whole milliseconds, and cuts off the rest: of less than one it would make none, which is no limit at
/// all. Hence a part of one counts as one.
pub fn parse_duration(value: ApiDuration, at: &At<'_>) -> Option<Duration> {
    match u64::try_from(value.as_nanos()) {
        Ok(nanos) if !nanos.is_multiple_of(MILLISECOND) => {
            let whole = nanos.div_ceil(MILLISECOND);
            at.warning_hint(
                Reason::InvalidValue,
                format!("{value} has a part of a millisecond, so {whole}ms is used; Istio refuses this"),
                format!("write {whole}ms"),
            );
            Some(Duration::from_nanos(whole.saturating_mul(MILLISECOND)))
        }
        Ok(nanos) => Some(Duration::from_nanos(nanos)),
        Err(_) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("{value} is negative"),
                format!("write {}", value.to_string().trim_start_matches('-')),
            );
            None
        }
    }
}

/// A duration of at least a millisecond, as Istio asks for where zero makes no sense.
pub fn parse_positive_duration(value: ApiDuration, at: &At<'_>) -> Option<Duration> {
    if value.as_nanos() < MILLISECOND.cast_signed() {
        let hint = match value.as_nanos() {
            nanos if nanos <= -MILLISECOND.cast_signed() => {
                format!("write {}", value.to_string().trim_start_matches('-'))
            }
            _ => "write one such as 1ms, 100ms or 5s".to_owned(),
        };
        at.error_hint(Reason::InvalidValue, format!("{value} is too short"), hint);
        return None;
    }
    parse_duration(value, at)
}

/// A duration that stands elsewhere than in an object, where nobody can be told what is wrong with it.
pub fn read_duration(text: &str) -> Option<Duration> {
    let nanos = text.parse::<ApiDuration>().ok()?.as_nanos();
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// Seconds since 1970 of `metadata.creationTimestamp`.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second)
}
