//! The wall between what is wrong with Meltemi and everything else: a panic is a problem of the document, object or host that it came with.
//!
//! In: something that reads, joins or derives. Out: what came of it, or that nothing did because Meltemi is wrong. Whoever goes on has what was good
//! before.

use mesh_model::{Problem, Reason};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicU64, Ordering},
};

static COUNT: AtomicU64 = AtomicU64::new(0);

/// How many defects this process has come upon.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Runs `work`. Whatever it had half done when it panicked is the caller's to throw away.
pub fn guard<T>(work: impl FnOnce() -> T) -> Result<T, Problem> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<&str>().copied();
        let text =
            text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason given");
        COUNT.fetch_add(1, Ordering::Relaxed);
        tracing::error!(%text, "a defect of Meltemi");
        let message = format!("nothing could be made of it ({text}); this is a defect of Meltemi");
        Problem::error(Reason::Malformed, "", message)
            .hint("take back what was changed last, and report the defect together with this object")
    })
}
