//! Durations as Go writes them, which is how Istio's settings have them.

use std::time::Duration;

/// Go's form, such as `45s`, `1m30s` or `500ms`.
pub(super) fn parse_duration(text: &str) -> Result<Duration, String> {
    let problem = || format!("`{text}` is no duration: write it as in `45s`, `1m30s` or `500ms`");
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    if rest.is_empty() {
        return Err(problem());
    }
    if rest == "0" {
        return Ok(total);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(problem)?;
        let (number, after) = rest.split_at(digits);
        let end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let number: f64 = number.parse().map_err(|_| problem())?;
        let seconds = match unit {
            "h" => number * 3600.0,
            "m" => number * 60.0,
            "s" => number,
            "ms" => number / 1e3,
            "us" | "µs" => number / 1e6,
            "ns" => number / 1e9,
            _ => return Err(problem()),
        };
        let part = Duration::try_from_secs_f64(seconds).map_err(|_| problem())?;
        total = total.checked_add(part).ok_or_else(problem)?;
        rest = after;
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_gos() {
        for (text, millis) in [("45s", 45_000), ("1h0m1.5s", 3_601_500), ("0", 0), ("0s", 0), ("250ms", 250)]
        {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_millis(millis), "{text}");
        }
        for text in ["", "5", "s", "-1s", "1x", "999999999999999999999h"] {
            parse_duration(text).unwrap_err();
        }
    }
}
