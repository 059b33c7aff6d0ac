//! xDS streams: hands out bytes by name and version and remembers what each proxy has.

mod batch;
pub mod layer;
pub mod names;
pub mod rejections;
pub mod resource;
pub mod snapshot;
pub mod source;
pub mod stream;
pub mod wire;
