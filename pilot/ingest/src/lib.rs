//! Kubernetes objects and YAML files in, the mesh model and its problems out.

mod allocate;
mod assemble;
mod at;
mod decode;
mod document;
mod endpoints;
mod files;
mod joins;
pub mod kinds;
mod local;
mod meta;
mod nearest;
mod object;
mod recognise;
mod report;
mod store;
mod values;

pub use assemble::Ingest;
pub use at::Context;
pub use document::{MAX_FILE, MAX_OBJECT};
pub use files::{load, parse_file};
pub use object::parse_object;
pub use report::{ObjectReport, Report};
pub use store::{DocumentProblem, Edit};
