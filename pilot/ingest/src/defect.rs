//! The wall between one document and all others: a panic while it is read is a problem of that document.
//!
//! In: something that reads. Out: what it read, or that it could not because Meltemi is wrong. Whoever reads files or watches goes on, and what was
//! good before stays in effect as with any other object that cannot be used.

use mesh_model::{Problem, Reason};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `read`, which makes something new out of what it is given and leaves nothing half-done behind: hence nothing is broken by its end.
pub fn guard<T>(read: impl FnOnce() -> T) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text =
            text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
        tracing::error!(%text, "reading a document");
        let message = format!("it could not be read ({text}); this is a defect of Meltemi");
        Problem::error(Reason::Malformed, "", message)
            .hint("take back what was changed last, and report the defect together with this document")
    })
}
