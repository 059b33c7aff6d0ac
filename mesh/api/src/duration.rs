//! Durations as Istio's YAML writes them: `5s`, `1.5s`, `100ms`, `1h30m`.
//!
//! In: text. Out: nanoseconds, with Go's syntax and bounds, because that is what Istio and the CEL rules
//! of its CRDs parse with. Which durations make sense for a field is not known here.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::schema::rules;

/// A signed span of time with nanosecond precision.
///
/// Negative and zero values decode, because Istio's schema lets them through on some fields; the code that
/// gives the field its meaning has to reject them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration {
    nanos: i64,
}

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a duration: {reason}; write a number with a unit, such as 5s, 100ms, 1.5s or 1h30m")]
pub struct DurationError {
    text: String,
    reason: &'static str,
}

/// Go's units, longest names first so that `ms` is not read as `m`.
const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Duration {
    /// A duration of so many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self { nanos }
    }

    /// A duration of so many milliseconds; saturates at the bounds of the type.
    pub const fn from_millis(millis: i64) -> Self {
        Self { nanos: millis.saturating_mul(1_000_000) }
    }

    /// A duration of so many seconds; saturates at the bounds of the type.
    pub const fn from_secs(secs: i64) -> Self {
        Self { nanos: secs.saturating_mul(1_000_000_000) }
    }

    /// The whole duration in nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.nanos
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fail = |reason| DurationError { text: text.chars().take(40).collect(), reason };
        let (negative, mut rest) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            Some(_) => (false, text),
            None => return Err(fail("it is empty")),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(fail("there is no number"));
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let (number, after_number) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
            let (unit, after_unit) = split_where(after_number, |c| c.is_ascii_digit() || c == '.');
            if number.is_empty() {
                return Err(fail("there is no number"));
            }
            let nanos = match UNITS.iter().find(|(name, _)| *name == unit) {
                Some((_, nanos)) => i128::from(*nanos),
                None if unit.is_empty() => return Err(fail("the unit is missing")),
                None => return Err(fail("the unit is not one of ns, us, ms, s, m, h")),
            };
            let part = decimal(number, nanos).ok_or_else(|| fail("the number cannot be read"))?;
            total += part;
            if total > i128::from(i64::MAX) {
                return Err(fail("it is longer than 292 years"));
            }
            rest = after_unit;
        }
        let total = if negative { -total } else { total };
        i64::try_from(total).map(Self::from_nanos).map_err(|_| fail("it is longer than 292 years"))
    }
}

/// Cuts the text before the first character that matches.
fn split_where(text: &str, cut: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(cut).unwrap_or(text.len()))
}

/// The value of `12.5` units in nanoseconds. Digits below a nanosecond are cut, as Go does.
fn decimal(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 20 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let digits = &fraction[..fraction.len().min(18)];
    let scaled: i128 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
    let scale = 10_i128.pow(u32::try_from(digits.len()).ok()?);
    Some(whole.checked_mul(unit)? + scaled * unit / scale)
}

impl fmt::Display for Duration {
    /// Seconds with as many decimals as needed (`0.1s`): every reader of Istio's YAML understands that form.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanos < 0 { "-" } else { "" };
        let nanos = self.nanos.unsigned_abs();
        let (secs, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        if rest == 0 {
            return write!(f, "{sign}{secs}s");
        }
        let fraction = format!("{rest:09}");
        write!(f, "{sign}{secs}.{}s", fraction.trim_end_matches('0'))
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration with its unit, such as 5s or 100ms")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl JsonSchema for Duration {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "x-kubernetes-validations": rules::cel(&[rules::values::DURATION]) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nanos(text: &str) -> Result<i64, String> {
        text.parse::<Duration>().map(Duration::as_nanos).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_go_reads() {
        for (text, expected) in [
            ("5s", 5_000_000_000),
            ("1.5s", 1_500_000_000),
            ("100ms", 100_000_000),
            ("1h", 3_600_000_000_000),
            ("1h30m", 5_400_000_000_000),
            ("0", 0),
            ("0s", 0),
            (".5s", 500_000_000),
            ("5.s", 5_000_000_000),
            ("10us", 10_000),
            ("10µs", 10_000),
            ("-1s", -1_000_000_000),
            ("+1s", 1_000_000_000),
            ("0.0000000001s", 0),
        ] {
            assert_eq!(nanos(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn rejects_with_the_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("5", "unit is missing"),
            ("5 s", "not one of"),
            ("five", "no number"),
            ("5d", "not one of"),
            ("-", "no number"),
            (".s", "number cannot be read"),
            ("1.2.3s", "number cannot be read"),
            ("99999999999h", "292 years"),
            ("999999999999999999999999999999h", "number cannot be read"),
        ] {
            let error = nanos(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn prints_seconds() {
        for (nanos, text) in [(5_000_000_000, "5s"), (100_000_000, "0.1s"), (-1, "-0.000000001s"), (0, "0s")]
        {
            assert_eq!(Duration::from_nanos(nanos).to_string(), text);
            assert_eq!(text.parse(), Ok(Duration::from_nanos(nanos)));
        }
    }
}
