//! What requests do, through real Envoys.

mod cases;
mod changes;
mod connections;
mod discovery;
mod failover;
mod figures;
mod keepalive;
mod kubernetes;
mod locality;
mod names;
mod on_demand;
mod protocols;
mod redirect;
mod reload;
mod scoping;
mod sockets;
mod wire;
mod workload_entries;
mod zones;

use anyhow::Result;
use mesh_tests::traffic::{Traffic, on_shared_mesh};

/// The mesh that they share.
const BASE: &str = include_str!("base.yaml");
/// Who sends requests.
const CLIENT: &str = "client-0";

fn run(test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    on_shared_mesh(BASE, test);
}
