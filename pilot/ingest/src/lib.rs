//! Kubernetes objects and YAML files in, the mesh model and its problems out.
//!
//! `source` reads objects (`files`, `reload`, `watch`); `kinds` parses each by itself; `store` holds them; `assemble` joins them
//! into the mesh and says what changed; `references` and `report` say what is wrong. Nothing here knows Envoy or proxies.

mod access;
mod allocate;
mod annotations;
mod assemble;
mod at;
mod decode;
pub mod defect;
mod delegation;
mod document;
mod endpoints;
pub mod events;
mod few;
mod files;
mod instead;
mod joins;
pub mod kinds;
mod known_fields;
mod local;
mod mesh_file;
mod mesh_identity;
mod meta;
mod named;
mod names;
mod nearest;
mod object;
mod recognise;
mod references;
mod reload;
mod remainder;
mod report;
mod reporter;
mod schema;
mod settings;
mod source;
mod store;
mod suppress;
mod updates;
mod values;
mod watch;

pub use access::Access;
pub use annotations::known as known_annotations;
pub use assemble::Ingest;
pub use at::Context;
pub use document::{MAX_FILE, MAX_OBJECT};
pub use files::{load, parse_file};
pub use kinds::parse_proxy_config;
pub use kinds::{IdentitySettings, RootSettings, mesh_settings_schema, mesh_settings_without_effect};
pub use mesh_identity::{Identities, follow_config_map, follow_file};
pub use object::parse_object;
pub use references::Reference;
pub use report::{LivedReport, ObjectReport, Report, Snapshot, has_status};
pub use settings::{Settings, SourceError};
pub use source::{Source, look, start};
pub use store::{DocumentProblem, Edit, LAST_GOOD_STAYS, NOTHING_IN_EFFECT};
pub use suppress::{Suppress, Suppression, codes};
pub use updates::{Update, Updates};
pub use values::{read_duration, read_switch};
pub use watch::{connect, served};
