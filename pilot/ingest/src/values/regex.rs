//! Regular expressions: compiled once, here, so that no Envoy has to reject one.

use crate::at::At;
use mesh_model::{Reason, Str};
use regex::RegexBuilder;

/// Istio's bound on the length of a pattern.
const MAX_LENGTH: usize = 1024;
/// Memory of the compiled program. Envoy bounds RE2's program size as well; repetition counts are what reaches it.
const MAX_PROGRAM: usize = 1 << 20;

/// A pattern in RE2's syntax. It is anchored by whoever uses it.
pub fn parse_regex(pattern: &str, at: &At<'_>) -> Option<Str> {
    if pattern.is_empty() {
        at.error_hint(
            Reason::InvalidValue,
            "the regular expression is empty",
            "write `.*` to match anything",
        );
        return None;
    }
    if pattern.len() > MAX_LENGTH {
        at.error(
            Reason::InvalidValue,
            format!(
                "the regular expression is {} bytes long; at most {MAX_LENGTH} are allowed",
                pattern.len()
            ),
        );
        return None;
    }
    match RegexBuilder::new(pattern).size_limit(MAX_PROGRAM).build() {
        Ok(_) => Some(pattern.into()),
        Err(regex::Error::CompiledTooBig(_)) => {
            at.error_hint(
                Reason::InvalidValue,
                format!("the regular expression `{pattern}` is too big when compiled"),
                "large repetition counts such as {1000} multiply; use + or *",
            );
            None
        }
        Err(error) => {
            let message = format!("`{pattern}` is not a regular expression: {}", last_line(&error));
            let backtracks = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| pattern.contains(look))
                || pattern
                    .as_bytes()
                    .windows(2)
                    .any(|pair| pair[0] == b'\\' && matches!(pair[1], b'1'..=b'9'));
            match backtracks {
                true => at.error_hint(
                    Reason::InvalidValue,
                    message,
                    "the syntax is RE2, which has no look-around and no back-references",
                ),
                false => at.error(Reason::InvalidValue, message),
            }
            None
        }
    }
}

/// The compiler draws the pattern with a marker over several lines and says at the end what is wrong.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}
