//! In: whether something that a test needs is on this machine. Out: go on, skip loudly, or fail.

use std::{
    collections::BTreeSet,
    io::Write,
    sync::{Mutex, PoisonError},
};

/// Set to anything but `0` or nothing, it makes a missing binary a failure instead of a skipped test.
const REQUIRE_ALL: &str = "MELTEMI_REQUIRE_ALL";

/// Turns "not on this machine" into `None` after saying so once in this process, or into a panic when nothing may be
/// skipped.
///
/// # Panics
/// When it is not there but `MELTEMI_REQUIRE_ALL` is set.
pub fn or_skip<T>(what: &'static str, found: Result<T, String>) -> Option<T> {
    let required = std::env::var(REQUIRE_ALL).is_ok_and(|value| !value.is_empty() && value != "0");
    match found {
        Ok(found) => Some(found),
        Err(reason) => {
            missing(what, &reason, required);
            None
        }
    }
}

fn missing(what: &'static str, reason: &str, required: bool) {
    assert!(!required, "{what} is not available, and {REQUIRE_ALL} is set: {reason}");

    static SAID: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what) {
        // The test harness swallows what `eprintln!` writes in tests that pass; this goes out.
        let line = format!("\n*** SKIPPED: every test that needs {what}: {reason}\n");
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a unicorn is not available, and MELTEMI_REQUIRE_ALL is set: extinct")]
    fn what_is_required_is_not_skipped() {
        missing("a unicorn", "extinct", true);
    }

    #[test]
    fn what_is_there_is_used() {
        assert_eq!(or_skip("a unicorn", Ok(1)), Some(1));
    }
}
