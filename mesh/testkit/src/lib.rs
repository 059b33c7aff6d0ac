//! For tests only: goldens, a local API server, a real Envoy, free ports, links that break, and waiting for outside processes.
//!
//! Everything started here is a child that dies with the test process, however that ends. What a machine lacks (no Go
//! to build the API server, no Envoy) skips the tests that need it with one loud line; `MELTEMI_REQUIRE_ALL=1` makes
//! that a failure. It must not know the crates that it tests: no crate of this workspace is a dependency, apart from
//! the one that finds Envoy.

pub mod apiserver;
mod available;
mod child;
pub mod envoy;
mod eventually;
pub mod golden;
pub mod istio;
mod link;
pub mod ports;
mod sweep;

pub use apiserver::ApiServer;
pub use available::or_skip;
pub use envoy::{Envoy, Launch};
pub use eventually::eventually;
pub use link::Link;
pub use sweep::SweptDir;
