//! What tests across crates have in common.
//!
//! In: YAML as users write it, and who asks. Out: what that proxy would be told, as resources ([`Told`]) or as YAML that a
//! person can review ([`render`]); and a control plane in this process with proxies on real streams ([`flow`]).
//! It must not know how anything in between works: tests stand at the boundaries. What strangers send as bytes is in [`fuzz`].

pub mod asker;
pub mod client_hello;
pub mod cluster;
pub mod flow;
pub mod fuzz;
pub mod lacking;
pub mod objects;
pub mod render;
pub mod told;
pub mod traffic;
mod usual;
mod yaml;

pub use asker::Asker;
pub use told::Told;
