//! Envoy itself: what it is started with, its process, and how it ends.
//!
//! In: who the proxy is and where the agent's sockets are. Out: a bootstrap, a command line and a child process that can't outlive this
//! one. It must not know what configuration Envoy is given.

pub mod admin;
pub mod bootstrap;
pub mod command;
pub mod node;
pub mod process;
pub mod telemetry;
pub mod tracer;
pub mod upstream;

pub use bootstrap::{Bootstrap, Inclusion, Listen, Sockets, Source, build_bootstrap};
pub use command::CommandLine;
pub use node::{Locality, Node, Role, ServiceName};
pub use process::Spawner;
pub use telemetry::Telemetry;
pub use tracer::{Tracer, TracerKind};
pub use upstream::{Keepalive, Tls, Upstream};
