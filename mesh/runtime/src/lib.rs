//! What every process needs, and nothing about meshes: logging, signals and drain, readiness, metrics, admin server and
//! client, and connections for gRPC.
//!
//! A process puts the parts together once, in this order:
//!
//! ```no_run
//! use mesh_runtime::{admin::{self, Admin}, logging, metrics::Metrics, ready::Readiness, signals};
//! use std::time::Duration;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! logging::init(logging::Format::Text, "info")?;
//! let (shutdown, drain) = signals::shutdown()?;
//! let readiness = Readiness::new();
//! let mut metrics = Metrics::new();
//! // Each crate's metrics.rs: `let xds_metrics = xds::Metrics::register(metrics.registry());`
//! let first_lists = readiness.handle("first lists"); // handed to what reads them; it calls `.ready()`
//!
//! let admin = Admin::new(readiness, metrics.finish()).draining_with(&drain).bind(admin::DEFAULT_ADDRESS).await?;
//! tokio::spawn(admin.serve());
//! # first_lists.ready();
//! shutdown.wait(Duration::from_secs(30)).await?;
//! # Ok(())
//! # }
//! ```

pub mod admin;
pub mod admin_client;
pub mod drain;
pub mod logging;
pub mod metrics;
mod process;
pub mod ready;
pub mod scheduler;
pub mod signals;
pub mod transport;
