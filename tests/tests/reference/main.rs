//! `docs/reference`: `api.md`, every field of every kind, what it changes at Envoy, and the test that shows it; `kubernetes.md`, the same of
//! what is read of Kubernetes' own kinds; `problems.md`.
//!
//! In: the schemas of the kinds, and the cases of all goldens and traffic tests. Out: a page on which no row is empty, held against
//! the committed one. What a field changes is written down by nobody: each case is rendered with the field and without it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod cases;
mod difference;
mod evidence;
mod fields;
mod kubernetes;
mod notes;
mod observed;
mod problems;

use std::path::PathBuf;

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference")
}

/// Compares `text` with the page of this name, or writes it.
fn compare(name: &str, text: &str) {
    let path = docs().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some_and(|value| value != "0" && !value.is_empty()) {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if committed != text {
        let first = committed.lines().zip(text.lines()).find(|(old, new)| old != new);
        panic!("docs/reference/{name} is not current: `cargo xtask gen` writes it\n{first:#?}");
    }
}

#[test]
fn api() {
    let (text, missing) = api::page();
    assert!(
        missing.is_empty(),
        "no golden shows these fields; add one, or say where else they are shown in reference/notes.rs:\n{}",
        missing.join("\n")
    );
    compare("api.md", &text);
}

#[test]
fn kubernetes() {
    let (text, missing) = kubernetes::page();
    assert!(
        missing.is_empty(),
        "no row of reference/kubernetes/rows.rs is about these, or no golden shows them:\n{}",
        missing.join("\n")
    );
    compare("kubernetes.md", &text);
}

#[test]
fn problems() {
    compare("problems.md", &problems::page());
}
