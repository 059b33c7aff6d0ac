//! The traffic control plane: wires ingest, view, envoy and xds together.
//!
//! In: [`Config`]. Out: [`Pilot`], a running control plane: its xDS server, its debug routes and its metrics. What the
//! steps in between do is in their own crates; here is only what connects them.

mod config;
pub mod debug;
mod metrics;
mod proxy;
mod publish;
mod readers;
mod start;
mod status;
mod triggers;

pub use config::{Config, SourceConfig, StatusConfig};
pub use metrics::PilotMetrics;
pub use proxy::admission;
pub use publish::{Audience, Counts, Publisher};
pub use readers::Readers;
pub use start::{Pilot, StartError, start};
