//! What is wrong with a user's object, said once, in a form every surface can show.
//!
//! One list of problems feeds `meltemi analyze`, object status, the admission webhook, logs and metrics.

use serde::Serialize;
use std::fmt;

/// How bad a problem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Severity {
    /// Worth knowing; the configuration does what it says.
    Info,
    /// The object works, but a part of it has no effect or probably not the effect that was meant.
    Warning,
    /// A part of the object, or all of it, could not be used.
    Error,
}

/// Why, in one word for programs (status conditions, metrics labels).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Reason {
    /// The document is no YAML, no object, too large, or not UTF-8.
    Malformed,
    /// A field that the API does not have.
    UnknownField,
    /// A value of the wrong type, or an enum value that does not exist.
    InvalidType,
    /// A value outside what the field allows.
    InvalidValue,
    /// A field that must be there is missing.
    Required,
    /// Fields that exclude each other are both set, or objects claim the same thing.
    Conflict,
    /// Another object of this kind and name was read before.
    Duplicate,
    /// A service, subset, port or object that does not exist is referred to.
    NotFound,
    /// An object that is referred to is there, and can't be used, or not by whoever needs it.
    Unusable,
    /// The API accepts the field; Meltemi does not build it yet, so it has no effect.
    NotSupported,
    /// A field that works, and has a newer name.
    Deprecated,
    /// A part that can never take effect (a route behind a catch-all, a weight of zero).
    Unreachable,
    /// An Envoy refused configuration made from this object.
    Rejected,
}

impl Reason {
    /// Whether it is about what an object refers to, and not about the object itself.
    pub fn is_of_reference(self) -> bool {
        matches!(self, Self::NotFound | Self::Unusable)
    }
}

/// One thing that is wrong with one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where in the object, as the user wrote it: `spec.http[0].route[1].destination.subset`. Empty: the whole object.
    pub path: String,
    /// How bad.
    pub severity: Severity,
    /// Why, for programs.
    pub reason: Reason,
    /// What was found, in one sentence.
    pub message: String,
    /// What to write instead, when there is something to say.
    pub hint: Option<String>,
}

impl Problem {
    /// A problem of `severity` at `path`.
    pub fn new(
        severity: Severity,
        reason: Reason,
        path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { path: path.into(), severity, reason, message: message.into(), hint: None }
    }

    /// An error at `path`.
    pub fn error(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, reason, path, message)
    }

    /// A warning at `path`.
    pub fn warning(reason: Reason, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, reason, path, message)
    }

    /// The field at `path` is accepted and has no effect yet.
    pub fn not_supported(path: impl Into<String>) -> Self {
        Self::warning(Reason::NotSupported, path, "this field is accepted but Meltemi does not act on it yet")
    }

    /// Adds what to write instead.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, severity: _, reason: _, message, hint } = self;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        f.write_str(message)?;
        match hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// The outcome of reading something: as much of it as could be used, and what was wrong with it. Parsing never fails as
/// a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed<T> {
    /// What was understood.
    pub value: T,
    /// What was not, in the order of the document.
    pub problems: Vec<Problem>,
}
