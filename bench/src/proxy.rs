//! A proxy that behaves as Envoy does on a delta stream, at a fraction of the cost.
//!
//! In: what arrives on the stream. Out: the requests that Envoy would send, and notes on the [`Board`]. `scan` reads
//! responses, `catalog` knows every name and version once for all proxies, `protocol` decides what to ask for, `board` is
//! what the measurements look at, `conversation` is all that on one stream, and
//! `connection` is the only part that does IO.

mod board;
mod catalog;
mod connection;
mod conversation;
mod protocol;
mod request;
mod scan;

pub use board::{Board, Delivery, Watched};
pub use catalog::{Catalog, Kind};
pub use connection::{Surroundings, run};
pub use conversation::Conversation;
pub use protocol::{Proxy, Start};
pub use request::Request;
