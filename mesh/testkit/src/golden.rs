//! In: a directory of `<case>.in.yaml` and `<case>.out.yaml`, and a function. Out: a test that the function turns each
//! input into its output, with a diff for every case that differs and the command that accepts the new outputs.
//!
//! Inputs are what users write. Options of a case stand in a first YAML document `kind: Case`. `UPDATE_GOLDEN=1`
//! writes the outputs and deletes those whose input is gone. It must not know what is tested: text goes in and out.
//!
//! ```no_run
//! use mesh_testkit::golden::{self, Case};
//!
//! #[test]
//! fn destination_rule() {
//!     golden::run("testdata/destination_rule", |case: &Case| parse_and_print(&case.input));
//! }
//! # fn parse_and_print(_: &str) -> String { String::new() }
//! ```

mod case;
mod report;

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

pub use case::Case;
use report::Report;

const INPUT: &str = ".in.yaml";
const OUTPUT: &str = ".out.yaml";

/// A longer output is not read by anyone who reviews it.
const MOST_LINES: usize = 150;

/// Runs every case below `directory` (relative to the crate, nested ones too) and panics with all that went wrong.
///
/// # Panics
/// When an output differs, is missing, is too long or has no input; when a case panics; when there is no case at all,
/// or a file that is no part of one.
pub fn run(directory: impl AsRef<Path>, render: impl Fn(&Case) -> String) {
    let update = std::env::var("UPDATE_GOLDEN").is_ok_and(|value| !value.is_empty() && value != "0");
    let report = check(directory.as_ref(), update, render);
    if let Some(text) = report.into_text() {
        panic!("{text}");
    }
}

/// The cases below `directory` (relative to the crate), in order of their names, for tests that look at all of them.
///
/// # Errors
/// When the directory or a file cannot be read.
pub fn cases(directory: impl AsRef<Path>) -> std::io::Result<Vec<Case>> {
    let directory = directory.as_ref();
    let files = files_below(directory)?;
    let inputs = files.iter().filter(|file| file.to_string_lossy().ends_with(INPUT));
    inputs.map(|file| Case::read(directory, file, INPUT)).collect()
}

fn check(directory: &Path, update: bool, render: impl Fn(&Case) -> String) -> Report {
    let mut report = Report::default();
    let files = match files_below(directory) {
        Ok(files) => files,
        Err(error) => {
            report.problem(directory, &format!("can't be read: {error}"));
            return report;
        }
    };
    let stems = |suffix: &str| -> BTreeSet<String> {
        files.iter().filter_map(|file| file.to_str()?.strip_suffix(suffix).map(str::to_owned)).collect()
    };
    let (inputs, outputs) = (stems(INPUT), stems(OUTPUT));
    if inputs.is_empty() {
        report.problem(directory, &format!("has no case: put <case>{INPUT} there"));
    }
    for file in &files {
        let name = file.to_string_lossy();
        if !name.ends_with(INPUT) && !name.ends_with(OUTPUT) {
            report.problem(file, &format!("is no part of a case: they end in {INPUT} and {OUTPUT}"));
        }
    }
    for orphan in outputs.difference(&inputs) {
        let path = PathBuf::from(format!("{orphan}{OUTPUT}"));
        if !update {
            report.stale(&path, &format!("has no {INPUT} any more"));
        } else if let Err(error) = fs::remove_file(&path) {
            report.problem(&path, &format!("can't be deleted: {error}"));
        }
    }
    for stem in &inputs {
        check_case(directory, stem, update, &render, &mut report);
    }
    report
}

fn check_case(
    directory: &Path,
    stem: &str,
    update: bool,
    render: &impl Fn(&Case) -> String,
    report: &mut Report,
) {
    let (input, output) = (PathBuf::from(format!("{stem}{INPUT}")), PathBuf::from(format!("{stem}{OUTPUT}")));
    let case = match Case::read(directory, &input, INPUT) {
        Ok(case) => case,
        Err(error) => return report.problem(&input, &format!("can't be read: {error}")),
    };
    // A panic in one case must not hide the others. What `render` borrows is not used again after a panic, other than
    // by the next cases, and a test that then says too much is failing anyway.
    let got = match catch_unwind(AssertUnwindSafe(|| render(&case))) {
        Ok(got) => with_line_end(got),
        Err(panic) => return report.problem(&input, &format!("panicked: {}", panic_message(panic.as_ref()))),
    };
    let lines = got.lines().count();
    if lines > MOST_LINES {
        let advice = "make the case smaller, or print only what it is about";
        report.problem(
            &output,
            &format!("has {lines} lines, over {MOST_LINES}: nobody reviews that; {advice}"),
        );
    }
    let expected = fs::read_to_string(&output).ok();
    if expected.as_deref() == Some(&got) {
        return;
    }
    if !update {
        report.mismatch(&output, expected.as_deref(), &got);
    } else if let Err(error) = fs::write(&output, &got) {
        report.problem(&output, &format!("can't be written: {error}"));
    }
}

fn with_line_end(mut text: String) -> String {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)")
}

fn files_below(directory: &Path) -> std::io::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.insert(entry.path());
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
