//! Labels.

use crate::at::At;
use mesh_model::{Labels, Reason};
use std::{collections::BTreeMap, sync::Arc};

const LONGEST: usize = 63;
const LONGEST_PREFIX: usize = 253;

/// Labels of an object, or a selector over them.
pub fn parse_labels(labels: &BTreeMap<String, String>) -> Labels {
    labels.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect()
}

/// A selector. One that asks for what no label can be selects nothing: what is left of it would select too much.
pub fn parse_selector(labels: &BTreeMap<String, String>, at: &At<'_>) -> Labels {
    check_labels(labels, at);
    parse_labels(labels)
}

/// A selector of workloads, whose labels are in its field `name`. Without labels it selects all, as in Istio.
pub fn parse_workload_selector(labels: &BTreeMap<String, String>, name: &str, at: &At<'_>) -> Labels {
    if labels.is_empty() {
        at.info_hint(
            Reason::Required,
            "without labels this selects every workload of the namespace; Istio warns of it",
            format!("name labels, as in `{name}: {{app: web}}`, or leave the selector out"),
        );
    }
    parse_selector(labels, &at.field(name))
}

/// The same, to be shared by everything that has them.
pub fn shared_labels(labels: &BTreeMap<String, String>) -> Arc<Labels> {
    Arc::new(parse_labels(labels))
}

/// Tells of what no API server takes as a label.
pub fn check_labels(labels: &BTreeMap<String, String>, at: &At<'_>) {
    for (key, value) in labels {
        // What stands for any value is told with the rules of its field.
        let Some(fault) = fault(key, value).filter(|_| !value.contains('*') && !key.contains('*')) else {
            continue;
        };
        at.field(key).warning_hint(
            Reason::InvalidValue,
            format!("`{key}: {value}` is no label: {fault}; Istio refuses this"),
            "write one as pods have them, as in `app: web`",
        );
    }
}

fn fault(key: &str, value: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if name.is_empty() || prefix.is_some_and(|prefix| prefix.is_empty() || prefix.len() > LONGEST_PREFIX) {
        return Some("a part of its name is missing or too long");
    }
    if [name, value].iter().any(|text| text.len() > LONGEST) {
        return Some("names and values have at most 63 characters");
    }
    let is_plain = |text: &str| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let ends = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
        text.bytes().all(allowed) && ends(text.bytes().next()) && ends(text.bytes().next_back())
    };
    let all = [name, value].into_iter().chain(prefix).all(is_plain);
    (!all).then_some("only letters, digits, `-`, `_` and `.` are allowed, and the first and the last is a letter or a digit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_those_that_an_api_server_takes() {
        for (key, value) in
            [("app", "web"), ("a.b/c_d", "1.0-x"), ("app", ""), ("A", "B"), ("topology.istio.io/x", "r")]
        {
            assert_eq!(fault(key, value), None, "{key}: {value}");
        }
        let long = "a".repeat(64);
        for (key, value) in [
            ("", "a"),
            ("/a", "b"),
            ("a/", "b"),
            ("a b", "c"),
            ("a", "b c"),
            ("-a", "b"),
            ("a", "b."),
            ("a/b/c", "d"),
            (&long, "a"),
            ("a", &long),
        ] {
            assert!(fault(key, value).is_some(), "{key}: {value}");
        }
    }
}
