//! Istio's `StringMatch`.

use crate::Str;
use serde::Serialize;

/// How a string is compared. Regular expressions are RE2 syntax, anchored at both ends, and have been compiled once by
/// ingest with Envoy's limits before they get here.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum StringMatch {
    /// Equal.
    Exact(Str),
    /// Begins with.
    Prefix(Str),
    /// The whole string matches.
    Regex(Str),
    /// Present, whatever its value (an empty `StringMatch`, or the regex `*`).
    Present,
}
