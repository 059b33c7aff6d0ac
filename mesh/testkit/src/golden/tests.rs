//! The goldens of goldens: directories made on the spot.

use super::*;

fn directory(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    directory
}

fn upper(case: &Case) -> String {
    assert!(!case.input.contains("boom"), "went boom");
    case.input.to_uppercase()
}

fn text(directory: &tempfile::TempDir, update: bool) -> Option<String> {
    check(directory.path(), update, upper).into_text()
}

#[test]
fn equal_outputs_pass_and_nested_cases_are_run() {
    let dir = directory(&[
        ("a.in.yaml", "x"),
        ("a.out.yaml", "X\n"),
        ("sub/b.in.yaml", "y\n"),
        ("sub/b.out.yaml", "Y\n"),
    ]);
    assert_eq!(text(&dir, false), None);
}

#[test]
fn every_failure_is_reported_with_the_command() {
    let dir = directory(&[
        ("differs.in.yaml", "one\ntwo\n"),
        ("differs.out.yaml", "ONE\nTOO\n"),
        ("new.in.yaml", "x"),
        ("orphan.out.yaml", "X"),
        ("panics.in.yaml", "boom"),
        ("stray.yaml", ""),
    ]);
    let text = text(&dir, false).unwrap();
    assert!(text.starts_with("5 goldens failed\n"), "{text}");
    for part in [
        "differs.out.yaml differs:\n--- in the file\n+++ now\n",
        " ONE\n-TOO\n+TWO\n",
        "new.out.yaml is not there yet:",
        "orphan.out.yaml: has no .in.yaml any more",
        "panics.in.yaml: panicked: went boom",
        "stray.yaml: is no part of a case",
        "UPDATE_GOLDEN=1 cargo test -p mesh-testkit golden::tests::every_failure_is_reported_with_the_command",
    ] {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
}

#[test]
fn update_writes_and_deletes() {
    let dir = directory(&[
        ("a.in.yaml", "x"),
        ("a.out.yaml", "OLD"),
        ("new.in.yaml", "y"),
        ("orphan.out.yaml", "X"),
    ]);
    assert_eq!(text(&dir, true), None);
    assert_eq!(fs::read_to_string(dir.path().join("a.out.yaml")).unwrap(), "X\n");
    assert!(!dir.path().join("orphan.out.yaml").exists());
    assert_eq!(text(&dir, false), None);
}

#[test]
fn long_outputs_and_empty_directories_fail_even_on_update() {
    let dir = directory(&[("long.in.yaml", &"x\n".repeat(151))]);
    let long = text(&dir, true).unwrap();
    assert!(long.contains("has 151 lines, over 150"), "{long}");
    let empty = text(&directory(&[]), true).unwrap();
    assert!(empty.contains("has no case"), "{empty}");
}
