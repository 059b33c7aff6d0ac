//! VirtualService: how requests for a host are routed.

mod action;
mod connection;
mod cors;
mod resilience;

pub use action::{
    Destination, DirectResponse, HeaderOperations, HttpAction, Redirect, RedirectPath, RedirectPort, Rewrite,
    RewritePath, RouteHeaders, WeightedDestination,
};
pub use connection::{ConnectionMatch, ConnectionRoute};
pub use cors::Cors;
pub use resilience::{Abort, AbortCode, Delay, Fault, Retries, RetryOn};

use crate::{
    Duration, ExportTo, Host, Labels, Metadata, NamespacedName, ObjectRef, Percent, Str, StringMatch,
};
use serde::Serialize;

/// The port on which a host has a virtual host that only a VirtualService names, whatever else this is about.
pub const UNKNOWN_HOSTS_PORT: u16 = 80;

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
    /// Of `headers`, those that mean claims of the request's token (`@request.auth.claims`), sorted.
    pub claims: Vec<ClaimMatch>,
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

impl PathMatch {
    /// Whether every path is or begins with it.
    pub fn is_every_path(&self) -> bool {
        matches!(self, Self::Prefix(prefix) if matches!(&**prefix, "" | "/"))
    }
}

/// A condition on one claim of the request's token.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ClaimMatch {
    /// The names that lead to it; never empty.
    pub path: Vec<Str>,
    /// The value; of a list, one of its values.
    pub value: StringMatch,
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
