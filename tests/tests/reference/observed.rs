//! Tests besides the cases that send requests or connections through real Envoys, by the fields that they are about.
//!
//! In: the rows. Out: for a field the test: one that the test harness runs, and where the field's name is written.

mod rows;

use super::fields::Field;
use rows::OBSERVED;
use std::{collections::HashMap, path::Path};

/// A test.
struct Observed {
    /// From the root of the workspace.
    file: &'static str,
    /// Its name.
    test: &'static str,
    /// The file with its objects and requests.
    written: &'static str,
    /// The fields, by kind; a `*` at the end stands for all below.
    fields: &'static [(&'static str, &'static [&'static str])],
}

/// Finds tests by fields.
pub struct Finder(HashMap<(&'static str, &'static str), &'static Observed>);

impl Finder {
    /// Makes sure that each test is there and about its fields.
    pub fn new() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut fields = HashMap::new();
        for observed in OBSERVED {
            let Observed { file, test, written, fields: about } = observed;
            check_test(file, test);
            let text = std::fs::read_to_string(root.join(written)).unwrap_or_default();
            for (kind, paths) in *about {
                for path in *paths {
                    let name = path.trim_end_matches('*').rsplit('.').next().unwrap_or_default();
                    let name = name.trim_end_matches("[]");
                    assert!(text.contains(name), "{written} says nothing of {path}");
                    fields.insert((*kind, *path), observed);
                }
            }
        }
        Self(fields)
    }

    /// The test that observes the field.
    pub fn find(&self, field: &Field) -> Option<String> {
        let meant = |(kind, path): (&str, &str)| {
            kind == field.kind
                && match path.strip_suffix('*') {
                    None => path == field.path,
                    Some(above) => field
                        .path
                        .strip_prefix(above)
                        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '['])),
                }
        };
        let found: Vec<_> = self.0.iter().filter(|(place, _)| meant(**place)).collect();
        let (_, Observed { file, test, written: _, fields: _ }) =
            found.iter().max_by_key(|((_, path), _)| path.len())?;
        Some(format!("`{test}` in {file}"))
    }
}

/// A test that is named exists, and is one that the test harness runs.
pub fn check_test(file: &str, test: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let mut above = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.contains(&format!("fn {test}(")) {
            let marked = |line: &&str| *line == "#[test]" || line.starts_with("#[tokio::test");
            assert!(above.iter().any(marked), "{test} in {file} is no test");
            return;
        }
        match line.starts_with("#[") || line.starts_with("//") {
            true => above.push(line),
            false => above.clear(),
        }
    }
    panic!("there is no test {test} in {file}");
}
