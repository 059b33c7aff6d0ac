//! Development tasks as a library, so that tests can run them too.

pub mod accept;
pub mod bench;
pub mod descriptors;
pub mod setup;
pub mod tidy;
