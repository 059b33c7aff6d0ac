//! What route configurations and virtual hosts depend on. Mirrors `envoy.config.route.v3`.

use super::Origins;
use mesh_model::{
    ClaimMatch, Cors, DirectResponse, Duration, Fault, HashKey, HeaderMatch, NamespacedName, PathMatch,
    Percent, Redirect, Retries, Rewrite, RouteHeaders, Str, StringMatch,
};
use std::sync::Arc;

/// A route configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteConfigurationSpec {
    /// `80`, `http_proxy`, `host:port`, `inbound|8080||`.
    pub name: Str,
    /// Virtual hosts that are part of it.
    pub virtual_hosts: Vec<Arc<VirtualHostSpec>>,
    /// What becomes of requests that no virtual host takes.
    pub catch_all: CatchAll,
    /// Whether further virtual hosts come over VHDS.
    pub vhds: bool,
    /// Whether the port in a `Host` header is ignored (`ignore_port_in_host_matching`): everywhere but on `http_proxy`,
    /// whose domains name ports.
    pub ignore_port: bool,
    /// Whether requests that the virtual host `*` takes say how often they have been tried.
    pub attempt_count: bool,
    /// Whom to tell when it is rejected.
    pub origins: Origins,
}

/// The virtual host `*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CatchAll {
    /// `allow_any`: to PassthroughCluster, without time limit.
    AllowAny,
    /// `allow_any`, too, but to this cluster.
    Via(Str),
    /// `allow_any_dynamic_dns`: to wherever DNS says that the host is.
    LookUp,
    /// `block_all`: 502.
    BlockAll,
    /// There is none: a virtual host takes `*` itself.
    None,
}

/// A virtual host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualHostSpec {
    /// The route configuration it belongs to. Its resource name is `<route configuration>/<name>`.
    pub route_configuration: Str,
    /// `host:port`.
    pub name: Str,
    /// `Host` headers it takes, unique within the route configuration; first the canonical name.
    pub domains: Vec<Str>,
    /// First match wins. Never empty.
    pub routes: Vec<RouteSpec>,
    /// Whether requests say how often they have been tried.
    pub attempt_count: bool,
    /// Whom to tell when it is rejected.
    pub origins: Origins,
}

impl VirtualHostSpec {
    /// Its resource name in VHDS.
    pub fn resource_name(&self) -> Str {
        format!("{}/{}", self.route_configuration, self.name).into()
    }
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteSpec {
    /// Its name: the VirtualService's, or `default`.
    pub name: Str,
    /// Which requests it takes.
    pub matches: RouteMatchSpec,
    /// What becomes of them.
    pub action: ActionSpec,
    /// Header operations at the level of the route.
    pub headers: RouteHeaders,
    /// Fault injection.
    pub fault: Option<Fault>,
    /// Which other origins a browser lets use it.
    pub cors: Option<Cors>,
    /// Name of its operation in traces: `host:port/*`. Empty: none.
    pub operation: Str,
    /// Prefix of its own statistics; empty: none.
    pub stat_prefix: Str,
    /// The VirtualService it comes from, for metadata `istio.config`.
    pub config: Option<NamespacedName>,
}

/// Mirrors `RouteMatch`. What the control plane can decide (port, gateway, source) is decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteMatchSpec {
    /// `None`: every path.
    pub path: Option<PathMatch>,
    /// `ignoreUriCase`.
    pub ignore_case: bool,
    /// Header conditions, with `:method`, `:authority` and `:scheme` for those of the match.
    pub headers: Vec<HeaderMatch>,
    /// Conditions on claims of the request's token.
    pub claims: Vec<ClaimMatch>,
    /// Query parameter conditions.
    pub query: Vec<(Str, StringMatch)>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum ActionSpec {
    Forward(ForwardSpec),
    Redirect(Redirect),
    DirectResponse(DirectResponse),
}

/// Mirrors `RouteAction`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ForwardSpec {
    /// Where to; never empty.
    pub clusters: Vec<WeightedCluster>,
    /// `None`: no limit.
    pub timeout: Option<Duration>,
    /// `None`: no retries.
    pub retries: Option<Retries>,
    /// What is rewritten.
    pub rewrite: Option<Rewrite>,
    /// Whether requests whose host is rewritten say which one they came with (`x-forwarded-host`).
    pub forwarded_host: bool,
    /// What consistent hashing hashes; empty: nothing.
    pub hash: Vec<HashKey>,
    /// Who gets copies of requests.
    pub mirrors: Vec<MirrorSpec>,
    /// Whether one of the clusters is for any name: what a request is for is looked up as it is rewritten.
    pub by_name: bool,
}

/// Mirrors `RequestMirrorPolicy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MirrorSpec {
    /// The cluster that gets copies.
    pub cluster: Str,
    /// Of how many requests.
    pub percent: Percent,
}

/// A cluster and its share.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WeightedCluster {
    /// Its name.
    pub cluster: Str,
    /// Share; at least 1.
    pub weight: u32,
    /// Header operations of this destination only.
    pub headers: RouteHeaders,
}
