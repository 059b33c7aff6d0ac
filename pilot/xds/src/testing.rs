//! A proxy that behaves as Envoy does, for flow tests and benchmarks: the protocol of the other side, without a data plane.
//!
//! `model` is the behaviour as a pure machine, `parts` the few fields of Envoy's messages it must read, `proxy` runs it over real gRPC.
//! Not part of the server: built only for tests and with the feature `testing`.

pub mod model;
pub mod parts;
pub mod proxy;

pub use model::{Envoy, Knowledge};
pub use proxy::TestProxy;
