//! Scalars of the model as Envoy's messages write them: wrappers, durations, percentages, patterns.

use crate::envoy::{kind, matcher, wkt};
use mesh_model::{Duration, Percent, StringMatch};

/// A number that may be absent.
pub(crate) fn uint32(value: u32) -> Option<wkt::UInt32Value> {
    Some(wkt::UInt32Value { value })
}

/// A larger number that may be absent.
pub(crate) fn uint64(value: u64) -> Option<wkt::UInt64Value> {
    Some(wkt::UInt64Value { value })
}

/// A truth that may be absent.
pub(crate) fn boolean(value: bool) -> Option<wkt::BoolValue> {
    Some(wkt::BoolValue { value })
}

/// A length of time.
pub(crate) fn duration(duration: Duration) -> wkt::Duration {
    let (seconds, nanos) = duration.parts();
    wkt::Duration { seconds, nanos }
}

/// A probability, exact: both sides count millionths.
pub(crate) fn fraction(percent: Percent) -> kind::FractionalPercent {
    kind::FractionalPercent {
        numerator: percent.millionths(),
        denominator: kind::fractional_percent::DenominatorType::Million as i32,
    }
}

/// A share as a floating-point percentage.
pub(crate) fn percent(percent: Percent) -> kind::Percent {
    kind::Percent { value: f64::from(percent.millionths()) / 10_000.0 }
}

/// A share in whole percents, for fields that know no fractions; rounded up, so that a little does not become nothing.
pub(crate) fn whole_percent(percent: Percent) -> Option<wkt::UInt32Value> {
    uint32(percent.millionths().div_ceil(10_000))
}

/// A regular expression; Envoy matches the whole string against it.
pub(crate) fn regex(pattern: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher { regex: pattern.to_owned(), engine_type: None }
}

/// How a string is compared; `None`: it only has to be there.
pub(crate) fn string_matcher(condition: &StringMatch) -> Option<matcher::StringMatcher> {
    use matcher::string_matcher::MatchPattern;
    let pattern = match condition {
        StringMatch::Exact(text) => MatchPattern::Exact(text.to_string()),
        // Envoy refuses empty patterns; every string begins with the empty one, and only the empty one is it.
        StringMatch::Prefix(text) if text.is_empty() => return None,
        StringMatch::Prefix(text) => MatchPattern::Prefix(text.to_string()),
        StringMatch::Regex(pattern) if pattern.is_empty() => MatchPattern::Exact(String::new()),
        StringMatch::Regex(pattern) => MatchPattern::SafeRegex(regex(pattern)),
        StringMatch::Present => return None,
    };
    Some(matcher::StringMatcher { ignore_case: false, match_pattern: Some(pattern) })
}
