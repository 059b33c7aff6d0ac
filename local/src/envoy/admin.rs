//! In: the address of an Envoy's admin interface. Out: whether it is ready, and how many requests it saw.

use std::net::SocketAddr;

use mesh_runtime::admin_client::{AdminClientError, get};
use serde::Deserialize;

/// Requests that a sidecar has finished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// To its workload.
    pub inbound: u64,
    /// From its workload.
    pub outbound: u64,
}

/// Only the two counters that are shown: an Envoy has thousands.
const FILTER: &str = "^http\\.(inbound|outbound|http_proxy).*\\.downstream_rq_completed$";

const ACTIVE: &str = "^http\\.inbound.*\\.downstream_cx_active$";

#[derive(Deserialize)]
struct Stats {
    stats: Vec<Stat>,
}

#[derive(Deserialize)]
struct Stat {
    // Histograms come as an entry of another shape.
    #[serde(default)]
    name: String,
    #[serde(default)]
    value: serde_json::Value,
}

/// Whether the Envoy has its first configuration and takes requests.
pub async fn is_ready(admin: SocketAddr) -> bool {
    get(admin, "/ready").await.is_ok()
}

/// How many requests the Envoy has finished since it was started.
///
/// # Errors
/// When it can't be asked.
pub async fn traffic(admin: SocketAddr) -> Result<Traffic, AdminClientError> {
    let mut traffic = Traffic::default();
    for (name, count) in counters(admin, FILTER).await? {
        if name.starts_with("http.inbound") {
            traffic.inbound += count;
        } else {
            traffic.outbound += count;
        }
    }
    Ok(traffic)
}

/// The numbers whose names match a regular expression.
async fn counters(admin: SocketAddr, filter: &str) -> Result<Vec<(String, u64)>, AdminClientError> {
    let path = format!("/stats?format=json&filter={}", encoded(filter));
    let body = get(admin, &path).await?;
    let Stats { stats } = serde_json::from_slice(&body).map_err(|error| AdminClientError::Body {
        address: admin,
        path,
        reason: error.to_string(),
    })?;
    Ok(stats.into_iter().map(|Stat { name, value }| (name, value.as_u64().unwrap_or(0))).collect())
}

/// Connections to its workload that clients keep to an Envoy.
///
/// # Errors
/// When it can't be asked.
pub async fn active_connections(admin: SocketAddr) -> Result<u64, AdminClientError> {
    Ok(counters(admin, ACTIVE).await?.into_iter().map(|(_, count)| count).sum())
}

/// Percent-encodes what a query can't hold.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
