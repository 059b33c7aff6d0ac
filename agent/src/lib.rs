//! What runs beside a workload's Envoy: gets the workload's certificate, renews it in time, and hands it to Envoy over a socket.
//!
//! In: the pod's token, the mesh's roots and the address of the certificate authority. Out: a [`Workload`] whose current [`Identity`] anyone
//! may watch, and Envoy's secret discovery on a Unix socket ([`sds`]). It must not know Kubernetes or what the mesh's configuration means.
//!
//! The key is made here, a new one for each certificate, and is kept in memory: only Envoy, on the same machine, ever gets it.
//!
//! So far this is a library, and the whole of what there is: it neither starts Envoy nor relays configuration to it.

pub mod authority;
pub mod identity;
pub mod renewal;
pub mod sds;
pub mod workload;

pub use authority::{Authority, EnrolError};
pub use identity::Identity;
pub use workload::{Settings, Workload};
