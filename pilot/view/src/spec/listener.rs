//! What a listener depends on. Mirrors `envoy.config.listener.v3.Listener`.

use super::{DownstreamTls, Origins, RouteConfigurationSpec, TracingSpec, WeightedCluster};
use mesh_model::{
    AccessLog, Cidr, ConnectionSettings, Duration, PathNormalization, ProxyHeaders, Str, Tunnel,
};
use std::{net::IpAddr, sync::Arc};

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerSpec {
    /// `virtualOutbound`, `virtualInbound`, `<address>_<port>`, or `unix://<path>`.
    pub name: Str,
    /// Where it listens, or stands for when `bind_to_port` is false.
    pub address: ListenerAddress,
    /// Whether it opens a socket. Listeners behind virtualOutbound do not.
    pub bind_to_port: bool,
    /// Hands connections on to the listener that matches their original destination (virtualOutbound).
    pub use_original_dst: bool,
    /// Whether it takes connections whose destination is not this machine's (TPROXY).
    pub transparent: bool,
    /// Whether connections are shared equally among Envoy's threads.
    pub exact_balance: bool,
    /// Which way the traffic goes.
    pub direction: Direction,
    /// What looks at a connection before a chain is chosen.
    pub inspectors: Inspectors,
    /// In order of declaration; Envoy takes the most specific match.
    pub chains: Vec<FilterChainSpec>,
    /// When none matches.
    pub default_chain: Option<FilterChainSpec>,
    /// Where and how accesses are logged; `None`: nowhere.
    pub access_log: Option<Arc<AccessLog>>,
    /// Bytes that a connection may fill; `None`: as Envoy has it.
    pub buffer_limit: Option<u32>,
    /// Whom to tell when it is rejected.
    pub origins: Origins,
}

/// Where a listener is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ListenerAddress {
    /// At a port.
    Port {
        /// Of this address.
        address: IpAddr,
        /// And of these.
        additional: Vec<IpAddr>,
        /// Its number.
        port: u16,
    },
    /// At a Unix domain socket, by its path; `@` begins an abstract one.
    Unix(Str),
}

impl ListenerAddress {
    /// At `port` of `address` alone.
    pub fn port(address: IpAddr, port: u16) -> Self {
        Self::Port { address, additional: Vec::new(), port }
    }
}

/// Mirrors `core.v3.TrafficDirection`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Direction {
    Inbound,
    Outbound,
}

/// Listener filters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Inspectors {
    /// Restores the address before redirection.
    pub original_dst: bool,
    /// Lets connections to the workload come from the client's own address.
    pub original_src: bool,
    /// Recognises TLS, its SNI and ALPN.
    pub tls: bool,
    /// Recognises plain-text HTTP.
    pub http: bool,
    /// Destination ports on which `tls` does not look, sorted: nothing there depends on it, and servers may be first to speak.
    pub skip_tls: Vec<u16>,
    /// The same for `http`.
    pub skip_http: Vec<u16>,
    /// How long they look before giving up; zero: for ever.
    pub timeout: Duration,
}

/// A filter chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilterChainSpec {
    /// Unique within the listener.
    pub name: Str,
    /// Which connections it takes.
    pub matches: ChainMatch,
    /// TLS that ends here; `None`: bytes are taken as they come.
    pub tls: Option<Arc<DownstreamTls>>,
    /// What it does with them.
    pub network: NetworkSpec,
}

/// Which connections a chain takes; empty parts take all. Mirrors `FilterChainMatch`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct ChainMatch {
    /// Original destination port.
    pub destination_port: Option<u16>,
    /// Original destination address.
    pub prefix_ranges: Vec<Cidr>,
    /// The client's address.
    pub source_ranges: Vec<Cidr>,
    /// SNI.
    pub server_names: Vec<Str>,
    /// ALPN, or what the HTTP inspector found.
    pub application_protocols: Vec<Str>,
    /// Whether the connection is TLS.
    pub transport: Option<Transport>,
}

/// Mirrors `FilterChainMatch.transport_protocol`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Transport {
    Tls,
    RawBuffer,
}

/// What a chain does.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NetworkSpec {
    /// Routes requests: HTTP connection manager.
    Http(HttpSpec),
    /// Forwards bytes: TCP proxy.
    Tcp(TcpSpec),
}

/// Mirrors `HttpConnectionManager`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HttpSpec {
    /// `outbound_0.0.0.0_80`, `inbound_0.0.0.0_8080;`: prefix of its statistics.
    pub stat_prefix: Str,
    /// Which way the traffic goes: decides filters, trust in headers and forwarded client certificates.
    pub direction: Direction,
    /// Where routes come from.
    pub routes: RouteSource,
    /// Whether the names in requests are looked up, for clusters that need it.
    pub lookup: Option<NameLookup>,
    /// Whether clusters that speak what their clients do are told by ALPN what that is, where they are called over mTLS.
    pub alpn_by_request: bool,
    /// Whether what browsers send as gRPC-Web goes on as gRPC.
    pub grpc_web: bool,
    /// What becomes of paths before they are matched.
    pub path_normalization: PathNormalization,
    /// What is added to requests and answers.
    pub headers: ProxyHeaders,
    /// Whether requests of HTTP/1.0 are answered.
    pub accepts_http10: bool,
    /// Limits of clients' connections.
    pub connections: Arc<ConnectionSettings>,
    /// What is told of requests; `None`: nothing.
    pub tracing: Option<Arc<TracingSpec>>,
    /// Where and how accesses are logged; `None`: nowhere.
    pub access_log: Option<Arc<AccessLog>>,
}

/// How names are looked up that are not known before a request or a connection asks for them. Who looks up and the cluster that the name is
/// for share a cache, so both have to agree about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NameLookup {
    /// How often a name in use is looked up again.
    pub refresh: Duration,
}

/// Looks up the name that a TLS client asks for (SNI).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SniLookup {
    /// How.
    pub lookup: NameLookup,
    /// On which port the name is called.
    pub port: u16,
}

/// Where the routes of an HTTP connection manager come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RouteSource {
    /// A route configuration of this name, over ADS.
    Rds(Str),
    /// Part of the listener.
    Inline(Arc<RouteConfigurationSpec>),
}

/// Mirrors `TcpProxy`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TcpSpec {
    /// Prefix of its statistics: the cluster's name.
    pub stat_prefix: Str,
    /// Where bytes go; never empty.
    pub clusters: Vec<WeightedCluster>,
    /// `None`: Envoy's default of one hour.
    pub idle_timeout: Option<Duration>,
    /// `None`: no limit.
    pub max_connection_duration: Option<Duration>,
    /// Whether clients stay with an endpoint by their address.
    pub hash_source_ip: bool,
    /// Wrapped in HTTP, towards a proxy.
    pub tunnel: Option<Tunnel>,
    /// Whether operations of MongoDB are counted.
    pub mongo: bool,
    /// To the name that the client asks for.
    pub sni_lookup: Option<SniLookup>,
    /// Where and how accesses are logged; `None`: nowhere.
    pub access_log: Option<Arc<AccessLog>>,
}
