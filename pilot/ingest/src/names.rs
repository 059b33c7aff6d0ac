//! Names of objects as an API server takes them: what it would refuse is refused in a file, too.
//!
//! In: what an object is called. Out: why that is no name, and one that is.

use crate::{
    decode::describe,
    kinds::{Row, WhenBad},
};
use mesh_model::{Kind, NamespacedName, ObjectRef, Problem, Reason};
use serde_json::Value;

/// What a name has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// Parts with dots between them (RFC 1123).
    Subdomain,
    /// One part (RFC 1123).
    Label,
    /// One part that begins with a letter (RFC 1035).
    LetterFirst,
    /// One part, in which capitals may be.
    AnyCase,
}

const LONGEST_LABEL: usize = 63;
const LONGEST_SUBDOMAIN: usize = 253;

/// What is wrong with the name or the namespace of an object of this kind.
pub fn check(row: &Row, object: &ObjectRef) -> Option<Problem> {
    let ObjectRef { kind, name: NamespacedName { namespace, name } } = object;
    let rule = match kind {
        Kind::Namespace => Rule::Label,
        Kind::Service => Rule::LetterFirst,
        _ => Rule::Subdomain,
    };
    let of_namespace = || row.namespaced.then(|| fault(namespace, Rule::Label)).flatten();
    let (path, text, rule, fault) = match (fault(name, rule), of_namespace()) {
        (Some(fault), _) => ("metadata.name", name, rule, fault),
        (None, Some(fault)) => ("metadata.namespace", namespace, Rule::Label, fault),
        (None, None) => return None,
    };
    let what = if path == "metadata.name" { "a name" } else { "a namespace's name" };
    let so = if row.when_bad == WhenBad::Closed { "" } else { ", and it is not read" };
    let message = format!("`{text}` is not {what}: {fault}; an API server refuses this {kind}{so}");
    let hint = match corrected(text, rule) {
        Some(name) => format!("write {name}"),
        None => "write one such as web".to_owned(),
    };
    Some(Problem::error(Reason::InvalidValue, path, message).hint(hint))
}

/// What is said of an object of which nobody can say what it is called.
pub fn unnamed(kind: &str, value: &Value) -> Problem {
    let metadata = value.get("metadata");
    let name = metadata.and_then(|metadata| metadata.get("name")).filter(|name| !name.is_null());
    if let Some(name) = name.filter(|name| !name.is_string()) {
        let message = format!("expected a text, found {}: this {kind} is not read", describe(name));
        let problem = Problem::error(Reason::InvalidType, "metadata.name", message);
        return problem.hint("put it in quotes");
    }
    let generated = metadata.is_some_and(|metadata| metadata.get("generateName").is_some());
    Problem::error(Reason::Required, "metadata.name", format!("this {kind} has no name")).hint(
        match generated {
            true => "write `name` in place of `generateName`, of which only an API server makes a name",
            false => "write one, as in `metadata: {name: web}`",
        },
    )
}

/// Why nothing that is named by a DNS label, as namespaces are, can be called `text`.
pub fn label_fault(text: &str) -> Option<String> {
    fault(text, Rule::Label)
}

/// Why no subset can be called `text`: that is a label, too, in which capitals may be.
pub fn subset_fault(text: &str) -> Option<String> {
    fault(text, Rule::AnyCase)
}

/// Why `text` is no such name.
fn fault(text: &str, rule: Rule) -> Option<String> {
    let longest = if rule == Rule::Subdomain { LONGEST_SUBDOMAIN } else { LONGEST_LABEL };
    if text.len() > longest {
        return Some(format!("it is longer than {longest} characters"));
    }
    let (dots, any_case) = (rule == Rule::Subdomain, rule == Rule::AnyCase);
    let allowed = |byte: u8| {
        let is_letter = byte.is_ascii_lowercase() || (any_case && byte.is_ascii_uppercase());
        is_letter || byte.is_ascii_digit() || byte == b'-' || (dots && byte == b'.')
    };
    if !text.bytes().all(allowed) {
        let dot = if dots { ", `-` and `.`" } else { " and `-`" };
        let letters = if any_case { "letters" } else { "small letters" };
        return Some(format!("only {letters}, digits{dot} are allowed"));
    }
    let bad_part = |part: &str| part.is_empty() || part.starts_with('-') || part.ends_with('-');
    if text.split('.').any(bad_part) {
        return Some(
            "it begins and ends with a letter or a digit, as does each part between dots".to_owned(),
        );
    }
    let digit_first = text.starts_with(|first: char| first.is_ascii_digit());
    (rule == Rule::LetterFirst && digit_first).then(|| "it begins with a letter".to_owned())
}

/// The name that was probably meant.
fn corrected(text: &str, rule: Rule) -> Option<String> {
    let other = |letter: char| match letter {
        '.' if rule == Rule::Subdomain => '.',
        letter if letter.is_ascii_alphanumeric() => letter.to_ascii_lowercase(),
        _ => '-',
    };
    let name: String = text.chars().map(other).collect();
    let name = name.trim_matches(['-', '.']);
    let name = if rule == Rule::LetterFirst {
        name.trim_start_matches(|c: char| !c.is_ascii_lowercase())
    } else {
        name
    };
    (!name.is_empty() && fault(name, rule).is_none()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_an_api_server_takes() {
        let long = "a".repeat(64);
        for (text, rules) in [
            ("web", [true, true, true]),
            ("a.b-c", [true, false, false]),
            ("1web", [true, true, false]),
            (long.as_str(), [true, false, false]),
            ("Web", [false; 3]),
            ("a_b", [false; 3]),
            ("-a", [false; 3]),
            ("a.", [false; 3]),
            ("a..b", [false; 3]),
            ("a-.b", [false; 3]),
            ("", [false; 3]),
        ] {
            let found =
                [Rule::Subdomain, Rule::Label, Rule::LetterFirst].map(|rule| fault(text, rule).is_none());
            assert_eq!(found, rules, "{text}");
        }
        assert!(fault(&"a".repeat(254), Rule::Subdomain).is_some());
    }

    #[test]
    fn a_name_is_offered_that_would_be_taken() {
        assert_eq!(corrected("Bad Name!", Rule::Subdomain).as_deref(), Some("bad-name"));
        assert_eq!(corrected("2.Web_1", Rule::LetterFirst).as_deref(), Some("web-1"));
        assert_eq!(corrected("!!", Rule::Subdomain), None);
        assert_eq!(corrected("a..b", Rule::Subdomain), None);
    }
}
