//! VirtualService: how requests for a host are routed.

mod connection;
mod cors;

pub use connection::{ConnectionMatch, ConnectionRoute};
pub use cors::Cors;

use crate::{
    Duration, ExportTo, Host, Labels, Metadata, NamespacedName, ObjectRef, Percent, Str, StringMatch,
};
use serde::Serialize;

/// Istio's VirtualService.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct VirtualService {
    /// The object.
    pub metadata: Metadata,
    /// The hosts it is about, short names resolved; may be wildcards.
    pub hosts: Vec<Host>,
    /// `mesh` for sidecars, otherwise `namespace/name` of a Gateway. Never empty: the default is `mesh`.
    pub gateways: Vec<Str>,
    /// Which client namespaces it applies to.
    pub export_to: ExportTo,
    /// HTTP routes, first match wins.
    pub http: Vec<HttpRoute>,
    /// Routes for TLS that is passed through, first match wins.
    pub tls: Vec<ConnectionRoute>,
    /// Routes for other opaque connections, first match wins.
    pub tcp: Vec<ConnectionRoute>,
    /// The VirtualServices whose routes are among `http` (`delegate`), sorted: whom to tell of trouble besides this one.
    pub delegates: Vec<ObjectRef>,
}

/// A kind of traffic. Each of a host's is routed by the oldest VirtualService that has routes for that kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Traffic {
    Http,
    Tls,
    Tcp,
}

impl VirtualService {
    /// Whether it has routes for `traffic`.
    pub fn routes(&self, traffic: Traffic) -> bool {
        match traffic {
            Traffic::Http => !self.http.is_empty(),
            Traffic::Tls => !self.tls.is_empty(),
            Traffic::Tcp => !self.tcp.is_empty(),
        }
    }

    /// Whether sidecars use it.
    pub fn for_mesh(&self) -> bool {
        self.gateways.iter().any(|gateway| &**gateway == "mesh")
    }
}

/// One entry of `http`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct HttpRoute {
    /// Its place in `http` as written: entries that cannot be used are left out.
    #[serde(skip)]
    pub index: usize,
    /// The VirtualService that it was handed over to, and its place in that one's `http`.
    #[serde(skip)]
    pub delegate: Option<(NamespacedName, usize)>,
    /// `name`; empty when it has none.
    pub name: Str,
    /// Any of these. Empty: every request.
    pub matches: Vec<HttpMatch>,
    /// What is done with a request.
    pub action: HttpAction,
    /// `timeout` of the whole request; `None`: no limit.
    pub timeout: Option<Duration>,
    /// `retries`; `None`: the mesh's default.
    pub retries: Option<Retries>,
    /// `fault`.
    pub fault: Option<Fault>,
    /// `mirror` and `mirrors`: who gets copies of requests.
    pub mirrors: Vec<Mirror>,
    /// `corsPolicy`.
    pub cors: Option<Cors>,
    /// `headers`, for all destinations.
    pub headers: RouteHeaders,
}

/// A destination that gets copies of requests; its answers are thrown away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Mirror {
    /// Where copies go.
    pub destination: Destination,
    /// Of how many requests; more than none.
    pub percent: Percent,
}

/// One entry of `match`: all of it has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct HttpMatch {
    /// Its place in `match` as written.
    #[serde(skip)]
    pub index: usize,
    /// `name`; empty when it has none.
    pub name: Str,
    /// `uri`, the path without query.
    pub uri: Option<PathMatch>,
    /// `ignoreUriCase`: for exact and prefix.
    pub ignore_uri_case: bool,
    /// `scheme`.
    pub scheme: Option<StringMatch>,
    /// `method`.
    pub method: Option<StringMatch>,
    /// `authority`.
    pub authority: Option<StringMatch>,
    /// `headers` and `withoutHeaders`, sorted by name.
    pub headers: Vec<HeaderMatch>,
    /// `queryParams`, sorted by name.
    pub query: Vec<(Str, StringMatch)>,
    /// `port` that the client called.
    pub port: Option<u16>,
    /// `sourceLabels` of the client.
    pub source_labels: Labels,
    /// `sourceNamespace` of the client.
    pub source_namespace: Option<Str>,
    /// `gateways`; empty: those of the VirtualService.
    pub gateways: Vec<Str>,
    /// `statPrefix`; empty: none.
    pub stat_prefix: Str,
}

/// How a path is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum PathMatch {
    Exact(Str),
    Prefix(Str),
    Regex(Str),
}

/// A condition on one header.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct HeaderMatch {
    /// Lower-case name.
    pub name: Str,
    /// The value.
    pub value: StringMatch,
    /// `withoutHeaders`: must not hold; a missing header does not hold.
    pub invert: bool,
}

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

/// `retries`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Retries {
    /// How many more tries; 0: none.
    pub attempts: u32,
    /// `perTryTimeout`; `None`: as the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// `retryOn`.
    pub on: RetryOn,
    /// `retryRemoteLocalities`.
    pub remote_localities: bool,
    /// `retryIgnorePreviousHosts`: a retry goes to a host that was not tried; default true.
    pub ignore_previous_hosts: bool,
    /// `backoff`, the base interval; `None`: Envoy's 25 ms.
    pub backoff: Option<Duration>,
}

/// When a request is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct RetryOn {
    /// Envoy's conditions, comma-separated, HTTP and gRPC.
    pub conditions: Str,
    /// Status codes that count as a failure.
    pub status_codes: Vec<u16>,
}

impl Default for RetryOn {
    /// Istio's built-in default.
    fn default() -> Self {
        Self {
            conditions: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes".into(),
            status_codes: Vec::new(),
        }
    }
}

impl Default for Retries {
    /// Istio's built-in default for outbound requests.
    fn default() -> Self {
        Self {
            attempts: 2,
            per_try_timeout: None,
            on: RetryOn::default(),
            remote_localities: false,
            ignore_previous_hosts: true,
            backoff: None,
        }
    }
}

/// `fault`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Fault {
    pub delay: Option<Delay>,
    pub abort: Option<Abort>,
}

/// `fault.delay`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Delay {
    pub fixed: Duration,
    pub percent: Percent,
}

/// `fault.abort`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct Abort {
    pub code: AbortCode,
    pub percent: Percent,
}

/// What an aborted request is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum AbortCode {
    /// An HTTP status, 200 to 599.
    Http(u16),
    /// A gRPC status, 0 to 16.
    Grpc(u32),
}
