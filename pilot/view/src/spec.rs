//! Specs: everything that ONE Envoy resource depends on, and nothing else.
//!
//! A spec is the cache key of its resource: `pilot-envoy` is a pure function of it, and two proxies whose specs are equal
//! share one encoding. So a spec is complete (nothing else may influence the message) and minimal (what does not influence
//! the message must not be in it, or equal resources would be encoded twice).

mod cluster;
mod endpoints;
mod listener;
mod name;
mod route;
mod secret;
mod tls;
mod tracing;

pub use cluster::{ClusterDiscovery, ClusterSpec, Localities, ServiceRef, UpstreamProtocol};
pub use endpoints::{EndpointsSpec, Preference};
pub use listener::{
    ChainMatch, Direction, FilterChainSpec, HttpSpec, Inspectors, ListenerAddress, ListenerSpec, NameLookup,
    NetworkSpec, RouteSource, SniLookup, TcpSpec, Transport,
};
pub use name::NameSpec;
pub use route::{
    ActionSpec, CatchAll, ForwardSpec, MirrorSpec, RouteConfigurationSpec, RouteMatchSpec, RouteSpec,
    VirtualHostSpec, WeightedCluster,
};
pub use secret::{
    SecretContent, SecretSpec, config_map_authorities, credential_authorities, credential_certificate,
    is_handed_out,
};
pub use tls::{DownstreamTls, MESH_ROOTS, OWN_CERTIFICATE, PeerCheck, PeerName, UpstreamSocket, UpstreamTls};
pub use tracing::{TracerSpec, TracingSpec};

use mesh_model::ObjectRef;
use std::sync::Arc;

/// The user's objects that a resource is made from, sorted: whom to tell when an Envoy rejects it.
pub type Origins = Arc<[ObjectRef]>;
