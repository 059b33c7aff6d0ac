//! The DNS proxy: answers for names of the mesh by itself, and passes all other queries on.
//!
//! In: the name table as the control plane sends it ([`Names`]), the pod's `resolv.conf` ([`Upstream`]), and queries over UDP and TCP.
//! Out: answers. It must not know how names travel, nor what Envoy does with the addresses.
//!
//! A workload's queries end up here because the kernel redirects them, so whatever its resolver would get without a mesh it has to get
//! with one: what is passed on goes and comes as it is, byte for byte but for the number.

mod answer;
mod debug;
mod lookup;
mod metrics;
mod names;
mod resolv_conf;
mod server;
mod upstream;

pub use lookup::Zone;
pub use metrics::DnsMetrics;
pub use names::Names;
pub use resolv_conf::ResolvConf;
pub use server::{Sockets, serve};
pub use upstream::Upstream;
