//! Structural OpenAPI schemas of the kinds' specs, and checks of untyped objects against them.
//!
//! In: the Rust types and JSON values. Out: schemas as an API server wants them, unknown fields, and wrong
//! types. It must not know what any field means, and it must never fail on a value, whatever it is.

pub mod rules;
