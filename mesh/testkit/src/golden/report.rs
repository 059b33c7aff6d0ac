//! In: what went wrong with each file. Out: one text for the one test that failed.

use std::{fmt::Write, path::Path, thread};

use similar::TextDiff;

/// All that went wrong in one run.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<String>,
    /// Whether writing the outputs anew would mend some of it.
    blessable: bool,
}

impl Report {
    /// Something that only an edit mends.
    pub(super) fn problem(&mut self, path: &Path, what: &str) {
        self.problems.push(format!("{}: {what}\n", path.display()));
    }

    /// Something that an update mends, without a diff.
    pub(super) fn stale(&mut self, path: &Path, what: &str) {
        self.problem(path, what);
        self.blessable = true;
    }

    /// An output that is not as expected, or not there.
    pub(super) fn mismatch(&mut self, path: &Path, expected: Option<&str>, got: &str) {
        let what = if expected.is_some() { "differs" } else { "is not there yet" };
        let diff = TextDiff::from_lines(expected.unwrap_or_default(), got);
        let diff = diff.unified_diff().context_radius(4).header("in the file", "now").to_string();
        self.problems.push(format!("{} {what}:\n{diff}", path.display()));
        self.blessable = true;
    }

    /// What the test says, or nothing when all is well.
    pub(super) fn into_text(self) -> Option<String> {
        let Self { problems, blessable } = self;
        let count = problems.len();
        if count == 0 {
            return None;
        }
        let mut text = format!("{count} golden{} failed\n\n", if count == 1 { "" } else { "s" });
        for problem in problems {
            text.push_str(&problem);
            text.push('\n');
        }
        if blessable {
            // Cargo sets the name for tests that it runs; the harness names the thread after the test.
            let package =
                std::env::var("CARGO_PKG_NAME").map(|name| format!(" -p {name}")).unwrap_or_default();
            let thread = thread::current();
            let test = thread.name().filter(|name| *name != "main").map(|name| format!(" {name}"));
            let test = test.unwrap_or_default();
            let _ = writeln!(text, "If the new outputs are right: UPDATE_GOLDEN=1 cargo test{package}{test}");
        }
        Some(text)
    }
}
