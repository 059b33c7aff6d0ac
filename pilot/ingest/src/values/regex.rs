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
        at.error_hint(
            Reason::InvalidValue,
            format!(
                "the regular expression is {} bytes long; at most {MAX_LENGTH} are allowed",
                pattern.len()
            ),
            "write a shorter one, or several matches: each is tried",
        );
        return None;
    }
    if let Some(foreign) = not_re2(pattern) {
        at.error_hint(Reason::InvalidValue, format!("`{pattern}` has {foreign}"), "the syntax is RE2");
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
            at.error_hint(Reason::InvalidValue, message, instead(pattern, &error));
            None
        }
    }
}

/// What to write instead of a pattern that does not compile.
fn instead(pattern: &str, error: &regex::Error) -> &'static str {
    let backtracks = ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|look| pattern.contains(look))
        || pattern.as_bytes().windows(2).any(|pair| pair[0] == b'\\' && matches!(pair[1], b'1'..=b'9'));
    if backtracks {
        return "the syntax is RE2, which has no look-around and no back-references";
    }
    match last_line(error).as_str() {
        "unclosed group" => "close it with `)`, or write `\\(` for a parenthesis that is meant itself",
        "unopened group" => "open it with `(`, or write `\\)` for a parenthesis that is meant itself",
        "unclosed character class" => "close it with `]`, or write `\\[` for a bracket that is meant itself",
        what if what.starts_with("repetition operator missing") => {
            "write `.*` for any text, and `\\*`, `\\+` or `\\?` for a sign that is meant itself"
        }
        what if what.contains("repetition") => {
            "write a count such as {2,3}, or `\\{` for a brace that is meant itself"
        }
        what if what.contains("escape") => "write `\\\\` for a backslash that is meant itself",
        what if what.contains("character class range") => "write the lower end first, as in [a-z]",
        _ => "the syntax is RE2: https://github.com/google/re2/wiki/Syntax",
    }
}

/// RE2's bound on counted repetitions.
const MAX_REPEAT: u32 = 1000;

/// What the compiler here takes and Envoy's would reject.
fn not_re2(pattern: &str) -> Option<String> {
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '{', '(']) {
        let (found, after) = rest[at..].split_at(1);
        rest = after;
        match found {
            "\\" => {
                let mut characters = rest.chars();
                if let Some(escaped @ ('u' | 'U' | '<' | '>')) = characters.next() {
                    return Some(format!("the escape `\\{escaped}`, which it does not know"));
                }
                rest = characters.as_str();
            }
            "{" => {
                let counts = rest.split('}').next().unwrap_or_default();
                let most = counts.split(',').filter_map(|count| count.trim().parse::<u32>().ok()).max();
                if most.is_some_and(|most| most > MAX_REPEAT) {
                    return Some(format!("a repetition of more than {MAX_REPEAT}"));
                }
            }
            _ => {
                let flags = rest.strip_prefix('?').unwrap_or_default();
                let flags = &flags[..flags.find([':', ')', '<', 'P']).unwrap_or(0)];
                if let Some(flag) = flags.chars().find(|flag| matches!(flag, 'x' | 'R' | 'u')) {
                    return Some(format!("the flag `{flag}`, which it does not know"));
                }
            }
        }
    }
    None
}

/// The compiler draws the pattern with a marker over several lines and says at the end what is wrong.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    let line = text.lines().last().unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::at::{Context, Shared};

    fn problem(pattern: &str) -> Option<String> {
        let context = Context::default();
        let shared = Shared::new(&context, "default");
        let parsed = parse_regex(pattern, &shared.root());
        let problem = shared.finish().problems.first().map(ToString::to_string);
        assert_eq!(parsed.is_none(), problem.is_some());
        problem
    }

    #[test]
    fn takes_what_envoy_takes() {
        for pattern in
            ["/a.*", "(?i)a|b", "[0-9]{3}", "\\\\u", "(?P<x>a)", "a{2,1000}", "\\p{Greek}", "^/(?:x|y)$"]
        {
            assert_eq!(problem(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (pattern, expected) in [
            ("(", "unclosed group (close it with `)`"),
            ("a)", "unopened group (open it with `(`"),
            ("[a", "unclosed character class (close it with `]`"),
            ("*a", "repetition operator missing expression (write `.*`"),
            ("a{2,1}", "(write a count such as {2,3}"),
            ("\\", "(write `\\\\` for a backslash"),
            ("[z-a]", "(write the lower end first"),
            ("(?=a)b", "no look-around"),
            ("(a)\\1", "no back-references"),
            ("a{1001}", "more than 1000"),
            ("(((a{100}){100}){100}){10}", "too big"),
            ("(?x) a", "the flag `x`"),
            ("\\u0041", "the escape `\\u`"),
            ("", "empty"),
            (&"a".repeat(2000), "2000 bytes long; at most 1024 are allowed (write a shorter one"),
        ] {
            let found = problem(pattern).unwrap_or_default();
            assert!(found.contains(expected), "{pattern}: {found}");
        }
    }
}
