//! What a route does with a request: forwards it, changed or not, redirects it, or answers it.

use crate::{Host, Str};
use serde::Serialize;

/// What is done with a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum HttpAction {
    /// To one of the destinations, by weight. Never empty; entries of weight zero are gone.
    Route {
        destinations: Vec<WeightedDestination>,
        rewrite: Option<Rewrite>,
    },
    Redirect(Redirect),
    DirectResponse(DirectResponse),
}

/// A destination and its share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct WeightedDestination {
    /// Where to.
    pub destination: Destination,
    /// Share among the route's destinations; at least 1.
    pub weight: u32,
    /// `headers` of this destination only.
    pub headers: RouteHeaders,
}

/// A service, perhaps a subset and a port of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Destination {
    /// Short names resolved.
    pub host: Host,
    /// Empty: all endpoints.
    pub subset: Str,
    /// `None`: the only port of the service, or the one that the client called.
    pub port: Option<u16>,
}

/// `headers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct RouteHeaders {
    pub request: HeaderOperations,
    pub response: HeaderOperations,
}

/// What happens to headers: first `remove`, then `set`, then `add`, each sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct HeaderOperations {
    pub set: Vec<(Str, Str)>,
    pub add: Vec<(Str, Str)>,
    pub remove: Vec<Str>,
}

impl HeaderOperations {
    /// Whether it does nothing.
    pub fn is_empty(&self) -> bool {
        let Self { set, add, remove } = self;
        set.is_empty() && add.is_empty() && remove.is_empty()
    }
}

/// `redirect`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Redirect {
    /// What becomes of the path.
    pub path: Option<RedirectPath>,
    /// `authority`; empty: unchanged.
    pub authority: Str,
    /// `port` or `derivePort`.
    pub port: Option<RedirectPort>,
    /// `scheme`; empty: unchanged.
    pub scheme: Str,
    /// `redirectCode`: 301, 302, 303, 307 or 308.
    pub code: u16,
}

/// The path of a redirect.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum RedirectPath {
    /// `uri`: this path instead.
    Full(Str),
    /// This prefix instead of the one that matched.
    Prefix(Str),
}

/// The port of a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum RedirectPort {
    Number(u16),
    /// The scheme's default: the port is left out.
    FromProtocolDefault,
    /// The one of the request.
    FromRequest,
}

/// `directResponse`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct DirectResponse {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// The body, at most 1 MiB.
    pub body: std::sync::Arc<[u8]>,
}

/// `rewrite`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Rewrite {
    /// What becomes of the path.
    pub path: Option<RewritePath>,
    /// `authority`; empty: unchanged.
    pub authority: Str,
}

/// The path of a rewritten request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum RewritePath {
    /// `uri`: instead of the part that the match matched (all of it for exact and regex).
    Matched(Str),
    /// `uriRegexRewrite`: RE2, with `\1` in the substitution.
    Regex { pattern: Str, substitution: Str },
}
