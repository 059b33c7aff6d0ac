//! Conditions on the claims of a request's token: `@request.auth.claims.a.b`, or `@request.auth.claims[a][b]` for names with dots.
//!
//! In: the name of a header as `headers` or `withoutHeaders` have it. Out: the claim that it means. Nothing here reads tokens yet, so no
//! request has claims. A route for those who have one gets no request. One for those who have it *not* would get every request, of
//! whomever it is to keep out as well: it is left out, and what comes after it decides.

use super::condition::parse_string_match;
use crate::at::At;
use mesh_api::networking::StringMatch as ApiStringMatch;
use mesh_model::{ClaimMatch, Reason, Str};

const CLAIMS: &str = "@request.auth.claims";

/// Whether this is no header.
pub fn is_claim(name: &str) -> bool {
    name.starts_with('@')
}

/// Reads a condition; `None` when it cannot be used.
pub fn parse_claim(name: &str, value: ApiStringMatch, invert: bool, at: &At<'_>) -> Option<ClaimMatch> {
    let Some(path) = parse_path(name) else {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{name}` is neither a header nor a claim"),
            "write @request.auth.claims.name, or @request.auth.claims[name] for names with dots",
        );
        return None;
    };
    if invert {
        at.error_hint(
            Reason::NotSupported,
            "Meltemi does not read tokens yet: every request would be without this claim, so this match is left out", "match on a header that the service itself trusts, or leave the match out");
        return None;
    }
    let value = parse_string_match(value, at)?;
    at.warning_hint(
        Reason::NotSupported,
        "Meltemi does not read tokens yet: no request has claims, so none matches",
        "match on a header that the service itself trusts, or leave the match out",
    );
    Some(ClaimMatch { path, value })
}

/// The steps to the claim. Names keep their case, which the prefix has none of, as in Istio.
fn parse_path(name: &str) -> Option<Vec<Str>> {
    let (prefix, rest) = name.split_at_checked(CLAIMS.len())?;
    if !prefix.eq_ignore_ascii_case(CLAIMS) {
        return None;
    }
    let steps: Vec<&str> = match rest.strip_prefix('.') {
        Some(rest) => rest.split('.').collect(),
        None => rest.strip_prefix('[')?.strip_suffix(']')?.split("][").collect(),
    };
    steps.iter().all(|step| !step.is_empty()).then(|| steps.into_iter().map(Str::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_named_in_two_ways() {
        let path = |name| parse_path(name).map(|path| path.join("|"));
        assert_eq!(path("@request.auth.claims.a.B").as_deref(), Some("a|B"));
        assert_eq!(path("@Request.Auth.Claims[a.b][C]").as_deref(), Some("a.b|C"));
        for name in [
            "@request.auth.claims",
            "@request.auth.claims.",
            "@request.auth.claims-a",
            "@x",
            "@request.auth.claims[]",
        ] {
            assert_eq!(path(name), None, "{name}");
        }
    }
}
