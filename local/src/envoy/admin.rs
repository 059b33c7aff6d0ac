//! In: the address of an Envoy's admin interface. Out: whether it is ready, and how many requests it saw.

use std::net::SocketAddr;

use serde::Deserialize;

use crate::http_get::{HttpGetError, get};

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
pub async fn traffic(admin: SocketAddr) -> Result<Traffic, HttpGetError> {
    let path = format!("/stats?format=json&filter={}", encoded(FILTER));
    let body = get(admin, &path).await?;
    let Stats { stats } = serde_json::from_slice(&body).map_err(|error| HttpGetError::Body {
        address: admin,
        path,
        reason: error.to_string(),
    })?;
    let mut traffic = Traffic::default();
    for Stat { name, value } in stats {
        let count = value.as_u64().unwrap_or(0);
        if name.starts_with("http.inbound") {
            traffic.inbound += count;
        } else {
            traffic.outbound += count;
        }
    }
    Ok(traffic)
}

/// Percent-encodes what a query can't hold.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}
