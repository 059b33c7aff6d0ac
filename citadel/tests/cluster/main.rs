//! The authority against a real API server: its tokens, its Secrets, its namespaces.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

mod config_maps;
mod lists;
mod port;
mod remote;
mod replicas;
mod rights;
mod secrets;
mod signers;
mod tokens;
