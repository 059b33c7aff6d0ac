//! Specs in, encoded Envoy messages out: pure, total, memoised.
//!
//! `build_*` turns a spec of `pilot-view` into the Envoy message that it describes; it cannot fail, and nothing but the
//! spec influences it. [`Memo`] encodes each spec once, whoever asks. [`check::check`] finds what Envoy would reject or never
//! reach. This crate must not know where specs come from, nor how bytes travel.

mod access_log;
mod address;
pub mod check;
mod cluster;
mod config_source;
mod dns_cache;
mod encode;
mod endpoints;
mod envoy;
mod filters;
mod grpc;
mod header_case;
mod inline;
mod listener;
mod memo;
mod metadata;
mod name_table;
mod names;
mod route;
mod secret;
mod tls;
mod tracing;
mod value;

pub use cluster::build_cluster;
pub use encode::{Encode, origin_key};
pub use endpoints::build_endpoints;
pub use inline::inline_routes;
pub use listener::build_listener;
pub use memo::{Memo, MemoStats};
pub use name_table::{NAME_TABLE, build_name, name_table};
pub use route::{build_route_configuration, build_virtual_host};
pub use secret::build_secret;
