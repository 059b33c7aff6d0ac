//! `corsPolicy`: which other origins a browser lets use a service.

use crate::{Duration, Str, StringMatch};
use serde::Serialize;

/// `corsPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Cors {
    /// `allowOrigins`: any of these. The exact `*` is every origin.
    pub allow_origins: Vec<StringMatch>,
    /// `allowMethods`.
    pub allow_methods: Vec<Str>,
    /// `allowHeaders`.
    pub allow_headers: Vec<Str>,
    /// `exposeHeaders`.
    pub expose_headers: Vec<Str>,
    /// `maxAge`; `None`: the browser decides.
    pub max_age: Option<Duration>,
    /// `allowCredentials`; `None`: not said.
    pub allow_credentials: Option<bool>,
    /// `unmatchedPreflights`: whether the service gets preflight requests from other origins; otherwise the proxy answers
    /// them.
    pub forward_unmatched_preflights: bool,
}
