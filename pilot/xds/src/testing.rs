//! A proxy that behaves as Envoy does, for flow tests and benchmarks: the protocol of the other side, without a data plane.
//!
//! `model` is the behaviour as a pure machine, `parts` the few fields of Envoy's messages it must read, `proxy` runs it over real gRPC.
//! Not part of the server: built only for tests and with the feature `testing`.

pub mod model;
pub mod parts;
pub mod proxy;
pub mod sotw;

use crate::resource::ResourceType;
use crate::wire::Resource;

pub use model::{Envoy, Knowledge};
pub use proxy::TestProxy;
pub use sotw::SotwEnvoy;

/// The other side of a stream, as a pure machine.
pub trait Client: Send + 'static {
    /// What it sends.
    type Request: prost::Message + Default + Send + 'static;
    /// What it gets.
    type Response: prost::Message + Default + Send + 'static;
    /// The method of the discovery service that it calls.
    const METHOD: &'static str;

    /// The requests with which it opens a stream.
    fn connect(&mut self) -> Vec<Self::Request>;

    /// Takes in a response. `refuse` says why a resource is not acceptable; the others are applied. Gives the requests that follow.
    fn receive(
        &mut self,
        response: Self::Response,
        refuse: &dyn Fn(ResourceType, &Resource) -> Option<String>,
    ) -> Vec<Self::Request>;
}
