//! What runs beside a workload's Envoy: its certificate, its configuration, its health and its end.
//!
//! In: the pod's token, the mesh's roots and the address of the control plane. Out: an [`Agent`], with Envoy's secrets ([`sds`]) and
//! configuration ([`relay`]) on Unix sockets, and an HTTP server ([`status`]). It must not know Kubernetes or what the mesh's configuration
//! means.
//!
//! The key is made here, a new one for each certificate. It is kept in memory and, for a restart, in a file that only its owner can read, on
//! the pod's memory volume: only Envoy, on the same machine, ever gets it.

pub mod agent;
pub mod authority;
mod connect;
pub mod dns;
pub mod drain;
pub mod environment;
pub mod envoy;
mod exchange;
pub mod extras;
pub mod health;
pub mod identity;
pub mod memory;
pub mod metrics;
pub mod probes;
pub mod relay;
pub mod renewal;
pub mod revoked;
pub mod sds;
pub mod spiffe;
pub mod state;
pub mod status;
pub mod workload;

pub use agent::{Agent, AgentError, AgentSettings, Parts};
pub use authority::{Authority, EnrolError};
pub use identity::Identity;
pub use mesh_pki::{TrustBundle, keys::KeyKind};
pub use revoked::Revoked;
pub use workload::{Settings, Workload};
