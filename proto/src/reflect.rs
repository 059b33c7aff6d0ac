//! The descriptors at run time: which messages there are, and messages whose type is known by name only.
//!
//! The pool holds Envoy's whole API, not only the part that types are generated from, so whatever an Envoy would
//! accept can be read. It is decoded on first use.

use std::sync::LazyLock;

use prost::DecodeError;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let set = include_bytes!(concat!(env!("OUT_DIR"), "/api.fds"));
    #[allow(clippy::expect_used, reason = "these bytes were decoded when this crate was built")]
    DescriptorPool::decode(set.as_slice()).expect("the descriptor set is valid")
});

/// Why a message cannot be read or written by the name of its type.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Envoy's API has no such message.
    #[error("there is no message type {0}")]
    UnknownType(String),
    /// The bytes are not a message of that type.
    #[error("not a {type_name}: {source}")]
    Malformed {
        /// Full name of the type.
        type_name: String,
        /// What the decoder found.
        source: DecodeError,
    },
    /// The JSON is not that of a message of that type, or the message holds an `Any` that cannot be read.
    #[error("{type_name}: {reason}")]
    Json {
        /// Full name of the type.
        type_name: String,
        /// What was found.
        reason: String,
    },
}

/// All message types.
pub fn pool() -> &'static DescriptorPool {
    &POOL
}

/// The type that a type URL or a full name means.
pub fn message_type(type_url: &str) -> Result<MessageDescriptor, Error> {
    let name = type_url.rsplit('/').next().unwrap_or(type_url);
    pool().get_message_by_name(name).ok_or_else(|| Error::UnknownType(type_url.to_owned()))
}

/// A message of any type from its bytes.
pub fn decode(type_url: &str, bytes: &[u8]) -> Result<DynamicMessage, Error> {
    let descriptor = message_type(type_url)?;
    DynamicMessage::decode(descriptor.clone(), bytes)
        .map_err(|source| Error::Malformed { type_name: descriptor.full_name().to_owned(), source })
}
