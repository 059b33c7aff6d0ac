//! What one class of proxies may see and must do, as specs.
//!
//! In: a [`mesh_model::Mesh`] and who asks. Out: [`spec`]s. Pure: no IO, no clock, no Envoy types, no Kubernetes types.

pub mod spec;
