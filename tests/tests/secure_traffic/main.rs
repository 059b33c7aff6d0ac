//! Sidecars with certificates of a real authority, configured by a real control plane over mutual TLS, through what happens to either.

mod authority;
mod config_maps;
mod credentials;
mod modes;
mod networks;
mod outside;
mod rotation;

use anyhow::Result;
use mesh_tests::traffic::{Traffic, on_secure_mesh};
use tokio::sync::{Mutex, MutexGuard};

/// The mesh that they share.
const BASE: &str = include_str!("base.yaml");
/// Who sends requests.
const CLIENT: &str = "client-0";
/// Where.
const URL: &str = "http://web/";
/// Requests a second.
const RATE: u32 = 500;
/// Requests after each edit, at least.
const AFTER_EACH: usize = 150;

fn run(test: impl AsyncFnOnce(&'static Traffic) -> Result<()>) {
    on_secure_mesh(BASE, test);
}

/// Prints a line, which is shown when the test fails or with `--nocapture`.
#[expect(clippy::print_stdout, reason = "tests capture it")]
fn say(text: &str) {
    println!("{text}");
}

/// They share a server, whose modes they change.
async fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
    ONE_AT_A_TIME.lock().await
}

/// A PeerAuthentication of the namespace.
fn mode(mode: &str) -> String {
    format!(
        "---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: default, namespace: secure}}
spec: {{mtls: {{mode: {mode}}}}}
"
    )
}

/// No retries, which would hide what a test is to find.
const ROUTE: &str = "---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: secure}
spec: {hosts: [web], http: [{retries: {attempts: 0}, route: [{destination: {host: web}}]}]}
";
