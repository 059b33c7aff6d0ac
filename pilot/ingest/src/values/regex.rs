//! Regular expressions: compiled once, here, so that no Envoy has to reject one.

use crate::at::At;
use mesh_model::{Reason, Str};
use mesh_re2::Re2;

/// Istio's bound on the length of a pattern.
const MAX_LENGTH: usize = 1024;

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
    match Re2::new(pattern) {
        Ok(_) => Some(pattern.into()),
        Err(error) => {
            let message = format!("`{pattern}` is not a regular expression of RE2: {error}");
            at.error_hint(Reason::InvalidValue, message, error.hint());
            None
        }
    }
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
    fn says_what_is_wrong_and_what_to_write() {
        assert_eq!(problem(r"/[\w-]{36}/{id}"), None);
        for (pattern, expected) in [
            ("(", "unclosed group (close it with `)`"),
            ("*a", "nothing stands before `*` that it could repeat (write `.*`"),
            ("(?=a)b", "no look-around"),
            ("a{1001}", "more than 1000"),
            ("", "empty"),
            (&"a".repeat(2000), "2000 bytes long; at most 1024 are allowed (write a shorter one"),
        ] {
            let found = problem(pattern).unwrap_or_default();
            assert!(found.contains(expected), "{pattern}: {found}");
        }
    }
}
