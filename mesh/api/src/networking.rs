//! The kinds of `networking.istio.io`.
//!
//! One file for each kind and for each block that several kinds share. Only shapes, names and documentation
//! live here; what a field means for traffic is decided by the crates that read these types.

pub mod destination;
pub mod destination_rule;
pub mod proxy_config;
pub mod server_tls;
pub mod service_entry;
pub mod sidecar;
pub mod string_match;
pub mod traffic_policy;
pub mod virtual_service;
pub mod workload_entry;
pub mod workload_group;
pub mod workload_selector;

pub use destination::{Destination, PortSelector};
pub use destination_rule::{DestinationRule, DestinationRuleSpec, Subset};
pub use proxy_config::{ProxyConfig, ProxyConfigSpec, ProxyImage};
pub use server_tls::ServerTlsSettings;
pub use service_entry::{ServiceEntry, ServiceEntrySpec, ServiceEntryStatus, ServicePort};
pub use sidecar::{Sidecar, SidecarSpec};
pub use string_match::StringMatch;
pub use traffic_policy::{PortTrafficPolicy, TrafficPolicy};
pub use virtual_service::{VirtualService, VirtualServiceSpec};
pub use workload_entry::{WorkloadEntry, WorkloadEntrySpec};
pub use workload_group::{WorkloadGroup, WorkloadGroupSpec};
pub use workload_selector::{MatchLabels, WorkloadSelector};

/// The API group of every kind here.
pub const GROUP: &str = "networking.istio.io";

/// The versions every kind here is served in, the stored one first. All have the same schema.
pub const VERSIONS: [&str; 3] = ["v1", "v1beta1", "v1alpha3"];
