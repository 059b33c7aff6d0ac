//! Wire types: Envoy's API generated from the pinned binary's descriptors, and the few Istio protos.
//!
//! The modules follow the protobuf packages: `envoy.config.cluster.v3.Cluster` is [`envoy::config::cluster::v3::Cluster`].
//! Maps are `BTreeMap`s and `bytes` fields are [`bytes::Bytes`], so equal messages encode to equal bytes and an encoded
//! message is put into an `Any` without a copy. This crate must not know what configuration means.

mod canonical;
pub mod json;
mod pack;
pub mod reflect;
pub mod validate;

/// The generated modules: whatever rustc, clippy or rustdoc think of them is not ours to change.
#[allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::expect_used, rustdoc::all)]
mod api {
    include!(concat!(env!("OUT_DIR"), "/api.rs"));
}

pub use api::*;
pub use pack::{duration, pack, string_struct, unpack};
