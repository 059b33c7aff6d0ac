//! The mesh as plain data: what configuration *means*, free of Kubernetes, Envoy and IO.
//!
//! In: nothing (types only). Out: the vocabulary every other crate speaks. `pilot-ingest` fills these types from
//! Kubernetes objects or YAML; `pilot-view` reads them. Everything is `Eq + Hash + Ord`, so that equal meaning is
//! equal data: there are no floats (see [`Percent`]), no `HashMap`, no clock and no handle to anything outside.
//!
//! A field is in the model only when it has an effect further down: what the API accepts and Meltemi does not build yet
//! is reported by ingest as [`Reason::NotSupported`] and never gets here.

mod access_log;
mod address;
mod change;
mod client_needs;
mod credential;
mod destination_rule;
mod discovery;
mod duration;
mod endpoint;
mod export;
mod host;
mod locality_lb;
mod merged_rule;
mod mesh;
mod mesh_config;
mod network;
mod object;
mod peer_authentication;
mod percent;
mod probe;
mod problem;
mod protocol;
mod proxy_headers;
mod proxy_settings;
mod proxy_start;
mod service;
mod sidecar;
mod string_match;
mod tls;
mod tracing;
mod traffic_policy;
mod virtual_service;
mod visibility;
mod workload;

pub use access_log::{AccessLog, AccessLogger, LogFile, LogFormat, LogProtocol, LogService, LogValue};
pub use address::{Cidr, EndpointAddress, Vip};
pub use change::ChangeSet;
pub use credential::{Credential, Hidden, KeyPair, TrustedAuthorities};
pub use destination_rule::{DestinationRule, Subset};
pub use discovery::{LabelExpression, LabelOperator, LabelSelector};
pub use duration::Duration;
pub use endpoint::{Endpoint, Health, Identities, ServiceEndpoints};
pub use export::{DefaultExport, DefaultExports, ExportTo};
pub use host::{Host, ShortNameOf, resolve_short_name};
pub use locality_lb::{
    CLUSTER_LABEL, Distribution, Failover, LOCALITY_LABELS, LocalityLb, LocalityMatch, NETWORK_LABEL,
    NODE_LABEL, PLACE_LABELS, PriorityLabel, REGION_LABEL, RegionFailover, SUB_ZONE_LABEL, ZONE_LABEL,
    locality_of, place_label,
};
pub use merged_rule::MergedRule;
pub use mesh::{Change, Mesh, ServiceKey};
pub use mesh_config::{
    DefaultTrafficPolicy, InboundPolicy, MeshConfig, OutboundPolicy, PathNormalization, TrustedRoots,
};
pub use network::{Network, NetworkGateway, Way};
pub use object::{Kind, Labels, Locality, Metadata, NamespacedName, ObjectRef, Source, Str};
pub use peer_authentication::{MtlsMode, PeerAuthentication, PeerModes};
pub use percent::Percent;
pub use probe::{Probe, ProbeCheck};
pub use problem::{Parsed, Problem, Reason, Severity};
pub use protocol::Protocol;
pub use proxy_headers::{ClientCertDetails, ForwardClientCert, ProxyHeaders, ServerHeader};
pub use proxy_settings::{ConnectionSettings, EscapedSlashes, ProxySettings, Underscores};
pub use proxy_start::{ProxyConfig, ProxyStart, RemoteService, ServiceName, Tracer};
pub use service::{Registry, Resolution, Service, ServicePort};
pub use sidecar::{
    EgressHost, EgressNamespace, IngressEndpoint, ListenerPlace, Sidecar, SidecarAddress, SidecarEgress,
    SidecarIngress, SidecarListener, SidecarPort,
};
pub use string_match::StringMatch;
pub use tls::{
    Authorities, AuthoritySource, Certificate, ClientCheck, ClientTls, GivenTls, Halves, Pins, ServerTls,
    TlsLimits, TlsVersion,
};
pub use tracing::{
    MeshTracing, ProviderService, ResourceDetectors, SpanTag, TracingProtocol, TracingProvider,
    TracingRequest, TracingSettings,
};
pub use traffic_policy::{
    ClusterPolicy, ConnectionPool, ConsistentHash, HashKey, HashRing, Http2Keepalive, HttpPool, LoadBalancer,
    LoadBalancing, OutlierDetection, PortPolicy, ProxyProtocol, RetryBudget, SimpleLb, TcpKeepalive, TcpPool,
    TrafficPolicy, Tunnel, UpgradePolicy, Warmup,
};
pub use virtual_service::{
    Abort, AbortCode, ClaimMatch, ConnectionMatch, ConnectionRoute, Cors, Delay, Destination, DirectResponse,
    Fault, HeaderMatch, HeaderOperations, HttpAction, HttpMatch, HttpRoute, Mirror, PathMatch, Redirect,
    RedirectPath, RedirectPort, Retries, RetryOn, Rewrite, RewritePath, RouteHeaders, Traffic,
    UNKNOWN_HOSTS_PORT, VirtualService, WeightedDestination,
};
pub use visibility::{EntryVisibility, Visibility};
pub use workload::{LocalPort, LocalWorkload, Workload};
