//! The mesh on a laptop: echo workloads, an Envoy for each, all on loopback addresses.
//!
//! In: the workloads of a `Mesh` that carry a [`mesh_model::LocalWorkload`], and the address of an xDS server. Out:
//! running processes, what is known about them ([`directory`]), and requests sent through them ([`call`]). It must not
//! know where workloads come from or what configuration their Envoys are given: that is the control plane's part, and
//! it is the same here as in a cluster.
//!
//! Every replica has two loopback addresses. Its Envoy listens on the *pod address*; the application listens on the
//! *application address*, reached only by that Envoy. So neither root nor a container nor traffic capture is needed.

pub mod call;
pub mod directory;
pub mod duration;
pub mod echo;
pub mod envoy;
mod identity;
pub mod mesh;
pub mod readiness;

pub use identity::Identity;

/// The port of every sidecar's HTTP proxy, at the pod address: the way into the mesh for outbound requests.
pub const HTTP_PROXY_PORT: u16 = 15080;

/// The port of every Envoy's admin interface, at the pod address.
pub const ADMIN_PORT: u16 = 15000;
