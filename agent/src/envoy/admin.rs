//! What an Envoy says of itself, and what it is asked to do.
//!
//! In: the address of its admin interface. Out: the few stats that the agent decides by.

use std::{collections::HashMap, net::SocketAddr};

use mesh_runtime::admin_client::{AdminClientError, get, post};

use super::Listen;

/// What readiness depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Whether it has heard of clusters.
    pub clusters: bool,
    /// Whether it has heard of listeners.
    pub listeners: bool,
    /// Whether its workers take connections.
    pub workers: bool,
    /// Whether it is live, as opposed to initialising or draining.
    pub live: bool,
}

const PROGRESS: &str = "^(server.state|listener_manager.workers_started|cluster_manager.cds.update_(success|rejected)|\
                        listener_manager.lds.update_(success|rejected))$";

/// Of all listeners.
const CONNECTIONS: &str = "^listener\\..*\\.downstream_cx_active$";

/// How far the Envoy at `admin` is.
///
/// # Errors
/// When it can't be asked.
pub async fn progress(admin: SocketAddr) -> Result<Progress, AdminClientError> {
    let stats = stats(admin, PROGRESS).await?;
    let stat = |name: &str| stats.get(name).copied();
    let heard = |service: &str| {
        let count = |outcome: &str| stat(&format!("{service}.update_{outcome}")).unwrap_or(0);
        count("success") + count("rejected") > 0
    };
    Ok(Progress {
        clusters: heard("cluster_manager.cds"),
        listeners: heard("listener_manager.lds"),
        workers: stat("listener_manager.workers_started") == Some(1),
        live: stat("server.state") == Some(0),
    })
}

/// Connections that clients keep open to listeners for traffic.
///
/// # Errors
/// When it can't be asked.
pub async fn active_connections(listen: &Listen) -> Result<u64, AdminClientError> {
    let Listen { admin, status: _, health, prometheus } = listen;
    // `listener.0.0.0.0_15006.downstream_cx_active`, and the same for each worker once more.
    let apart = [health, prometheus].map(|listener| format!("_{}.downstream_cx_active", listener.port()));
    let is_traffic = |name: &str| {
        !name.starts_with("listener.admin.")
            && !name.contains(".worker_")
            && !apart.iter().any(|listener| name.ends_with(listener))
    };
    let stats = stats(*admin, CONNECTIONS).await?;
    Ok(stats.iter().filter(|(name, _)| is_traffic(name)).map(|(_, count)| count).sum())
}

/// Has inbound listeners ask clients to go, and take no new connections once they have.
///
/// # Errors
/// When it can't be asked.
pub async fn drain(admin: SocketAddr) -> Result<(), AdminClientError> {
    post(admin, "/drain_listeners?inboundonly&graceful").await.map(drop)
}

/// Counters and gauges whose names match a regular expression.
async fn stats(admin: SocketAddr, filter: &str) -> Result<HashMap<String, u64>, AdminClientError> {
    let body = get(admin, &format!("/stats?filter={}", encoded(filter))).await?;
    let text = String::from_utf8_lossy(&body);
    let pairs = text.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.parse().ok()?))
    });
    Ok(pairs.collect())
}

/// Percent-encodes what a query can't hold.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
