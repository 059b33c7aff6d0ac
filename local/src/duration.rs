//! In: a length of time as Go writes it (`1h30m`, `200ms`). Out: a `Duration`. Istio's flags and our own take this form.

use std::time::Duration;

/// Why a text is no length of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a length of time: write it as in `200ms`, `1.5s`, `30m` or `1h30m`")]
pub struct ParseDurationError(String);

const UNITS: [(&str, f64); 7] = [
    // Longer names first: `ms` would else be read as `m` and an `s` too many.
    ("ns", 1e-9),
    ("us", 1e-6),
    ("µs", 1e-6),
    ("ms", 1e-3),
    ("s", 1.0),
    ("m", 60.0),
    ("h", 3600.0),
];

/// Parses Go's notation. `0` needs no unit; negative lengths have no meaning here.
///
/// # Errors
/// When the text is anything else.
pub fn parse_duration(text: &str) -> Result<Duration, ParseDurationError> {
    let error = || ParseDurationError(text.to_owned());
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(error)?;
        let (number, unit_and_rest) = rest.split_at(digits);
        let (unit, factor) =
            UNITS.iter().find(|(unit, _)| unit_and_rest.starts_with(unit)).ok_or_else(error)?;
        seconds += number.parse::<f64>().map_err(|_| error())? * factor;
        rest = &unit_and_rest[unit.len()..];
    }
    if text.is_empty() {
        return Err(error());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_notation() {
        for (text, millis) in
            [("200ms", 200), ("1.5s", 1500), ("30m", 1_800_000), ("1h30m", 5_400_000), ("0", 0), ("0s", 0)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1.2.3s", "1d", "ms", "99999999999999999999h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("5").unwrap_err().to_string().contains("`5` is not a length of time"));
    }
}
