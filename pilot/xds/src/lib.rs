//! xDS streams: hands out bytes by name and version and remembers what each proxy has.
//!
//! In: snapshots of named, versioned, encoded resources, one channel for each class of proxies (`source`). Out: ADS streams, delta and state
//! of the world, to stock Envoys. It must not know Envoy's types, Kubernetes, or where configuration comes from.
//!
//! `resource`, `layer` and `snapshot` are the data, `latest` hands snapshots over; `stream` is the protocol as a pure state machine; `session`, `body`, `requests`,
//! `server` move bytes (over the connections of `mesh-runtime`); `sync`, `rejections` and `metrics` are what others may see.

mod batch;
mod body;
mod encoding;
mod group;
pub mod latest;
pub mod layer;
pub mod metrics;
pub mod names;
pub mod rejections;
mod requests;
pub mod resource;
pub mod server;
mod session;
pub mod snapshot;
pub mod source;
pub mod stream;
pub mod sync;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod unwarmed;
pub mod weak;
pub mod wire;

pub use mesh_runtime::transport;

pub use layer::{Edit, Layer};
pub use metrics::Metrics;
pub use rejections::{Rejection, Rejections};
pub use resource::{Protocol, Resource, ResourceType};
pub use server::{AdsService, Handles, ServerConfig, serve};
pub use snapshot::{LAYERS, Snapshot};
pub use source::{Admission, Attachment, NoAliases, Proven, Refusal, Resolve, Source};
pub use sync::{ProxyStatus, SyncTable};
