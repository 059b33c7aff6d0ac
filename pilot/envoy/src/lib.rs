//! Specs in, encoded Envoy messages out: pure, total, memoised.
//!
//! `build_*` turns a spec of `pilot-view` into the Envoy message that it describes; it cannot fail, and nothing but the
//! spec influences it. [`Memo`] encodes each spec once, whoever asks. [`check`] finds what Envoy would reject or never
//! reach. This crate must not know where specs come from, nor how bytes travel.

mod access_log;
mod address;
mod cluster;
mod config_source;
mod endpoints;
mod envoy;
mod filters;
mod listener;
mod metadata;
pub mod names;
mod route;
mod value;

pub use cluster::build_cluster;
pub use endpoints::build_endpoints;
pub use listener::build_listener;
pub use route::{build_route_configuration, build_virtual_host};
