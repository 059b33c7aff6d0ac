//! What each file must look like.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::{Finding, Report};

/// Longer files fail.
const LONGEST: usize = 800;

/// Longer files are listed.
const LONG: usize = 300;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["common", "helper", "helpers", "manager", "misc", "util", "utils"];

/// Directories that exist on one machine only. (Written in two parts, so that this file does not name them.)
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/")];

pub(super) fn check(root: &Path) -> Result<Report> {
    let mut report = Report::default();
    for path in tracked_files(root)? {
        // A file that is being deleted is listed until that is committed; what is not text is nobody's source.
        let Ok(text) = fs::read_to_string(root.join(&path)) else { continue };
        report.violations.extend(machine_paths(&path, &text));
        if path.ends_with(".rs") {
            report.violations.extend(empty_names(&path, &text));
            report.violations.extend(missing_header(&path, &text));
            match length(&path, &text) {
                Some(finding) if code_lines(&text) > LONGEST => report.violations.push(finding),
                Some(finding) => report.notes.push(finding),
                None => {}
            }
        }
    }
    Ok(report)
}

/// Tracked files, and those that will be once they are added.
fn tracked_files(root: &Path) -> Result<Vec<String>> {
    let output = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let names = String::from_utf8(output.stdout).context("a tracked file has a name that is not UTF-8")?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

fn finding(place: String, problem: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { place, problem: problem.into(), remedy: remedy.into() }
}

fn machine_paths(path: &str, text: &str) -> Option<Finding> {
    // `https://host/work/` is no path of a machine: one starts where a name cannot go on.
    let starts_path =
        |before: &str| !before.ends_with(|last: char| last.is_alphanumeric() || "._-~}$/".contains(last));
    let (number, found) = text.lines().enumerate().find_map(|(index, line)| {
        let mut hits = MACHINE_PATHS.iter().flat_map(|needle| line.match_indices(needle));
        hits.find(|(at, _)| starts_path(&line[..*at])).map(|(_, found)| (index + 1, found))
    })?;
    let problem = format!("names {found}, a directory of one machine");
    Some(finding(format!("{path}:{number}"), problem, "use a relative path or a variable"))
}

fn empty_names(path: &str, text: &str) -> Option<Finding> {
    let remedy = "name it after what is in it";
    if path.ends_with("/mod.rs") {
        let better = path.trim_end_matches("/mod.rs");
        return Some(finding(path.to_owned(), "is a mod.rs", format!("move it to {better}.rs")));
    }
    let parts = path.trim_end_matches(".rs").split('/');
    if let Some(part) = parts.into_iter().find(|part| EMPTY_NAMES.contains(part)) {
        return Some(finding(path.to_owned(), format!("{part:?} says nothing about what is inside"), remedy));
    }
    let (number, name) = text.lines().enumerate().find_map(|(index, line)| {
        let name = line
            .trim_start()
            .trim_start_matches("pub ")
            .trim_start_matches("pub(crate) ")
            .strip_prefix("mod ")?;
        let name = name.trim_end_matches(|end: char| !end.is_alphanumeric());
        EMPTY_NAMES.contains(&name).then_some((index + 1, name))
    })?;
    Some(finding(
        format!("{path}:{number}"),
        format!("module {name:?} says nothing about what is inside"),
        remedy,
    ))
}

fn missing_header(path: &str, text: &str) -> Option<Finding> {
    (!text.starts_with("//!")).then(|| {
        let remedy = "say in `//!` what comes in, what goes out, and what it must not know";
        finding(path.to_owned(), "does not begin with `//!`", remedy)
    })
}

fn length(path: &str, text: &str) -> Option<Finding> {
    let lines = code_lines(text);
    let is_test = path.split('/').any(|part| part == "tests" || part == "testdata" || part == "tests.rs");
    (lines > LONG && !is_test).then(|| {
        finding(path.to_owned(), format!("has {lines} lines without tests"), "split it along its subjects")
    })
}

/// Lines up to the tests at the end of the file.
fn code_lines(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machine_paths_are_found_but_addresses_are_not() {
        let path = concat!("see /wo", "rk/main for it");
        let found = machine_paths("a.md", &format!("first\n{path}\n")).unwrap();
        assert_eq!(found.place, "a.md:2");
        assert!(machine_paths("a.md", concat!("\"/ro", "ot/.cache\"")).is_some());
        assert!(
            machine_paths("a.md", concat!("https://example.org/wo", "rk/a and $HOME/ro", "ot/b")).is_none()
        );
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert!(empty_names("pilot/src/utils.rs", "").is_some());
        assert!(empty_names("pilot/src/helpers/a.rs", "").is_some());
        assert!(empty_names("pilot/src/a/mod.rs", "").is_some());
        assert!(empty_names("a.rs", "//! a\npub mod manager;\n").is_some());
        assert!(empty_names("a.rs", "mod commonality;\nlet utils = 1;").is_none());
    }

    #[test]
    fn a_file_starts_by_saying_what_it_is_for() {
        assert!(missing_header("a.rs", "use std::fs;").is_some());
        assert!(missing_header("a.rs", "//! Reads.\n").is_none());
    }

    #[test]
    fn tests_do_not_make_a_file_long() {
        let code = "line\n".repeat(LONG);
        assert!(length("a.rs", &format!("{code}#[cfg(test)]\nmod tests {{\n{code}}}")).is_none());
        assert!(length("a.rs", &format!("{code}one more\n")).is_some());
        assert!(length("a/tests/b.rs", &format!("{code}one more\n")).is_none());
    }
}
