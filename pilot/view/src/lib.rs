//! What one class of proxies may see and must do, as specs.
//!
//! In: a [`mesh_model::Mesh`] and who asks. Out: [`spec`]s. Pure: no IO, no clock, no Envoy types, no Kubernetes types.
//!
//! Outbound configuration depends on the [`Scope`] and is derived host by host ([`derive_host`]), so that an edit costs the
//! hosts it touches ([`affects`]), and so are the names that clients look up ([`derive_names`]); load assignments depend on the client's [`Place`], too ([`derive_place`]); listeners are put together from what the hosts on a port need ([`port_listener`]).
//! Inbound configuration depends on the workload ([`inbound`]).

pub mod affects;
mod alias;
mod credentials;
mod domains;
pub mod explain;
mod inbound;
mod names;
mod outbound;
mod providers;
mod proxy;
mod scope;
mod select;
pub mod spec;
mod stat_name;
mod tracing;
mod unserved;
mod well_known;

pub use credentials::{derive_authorities, derive_secrets};
pub use inbound::{INBOUND_CLUSTERS, Inbound, LOCAL_CLUSTER, Standing, inbound, is_replica};
pub use names::derive_names;
pub use outbound::{
    HostView, ListenerKey, PlaceView, PortUse, derive_host, derive_place, placeholder, port_listener,
    route_configuration,
};
pub use providers::provider_cluster;
pub use proxy::{Capture, Families, NodeOptions, Proxy};
pub use scope::{Place, Scope, ScopeKey};
pub use select::hosts;
pub use well_known::{ANY_NAME, scope_clusters, scope_listeners, virtual_outbound};
