//! `meltemi proxy`: what a running control plane says about the proxies that are connected to it.

mod config;
mod list;

use std::net::SocketAddr;

use anyhow::{Context, Result};
use mesh_runtime::admin_client::{self, AdminClientError};
use serde::de::DeserializeOwned;

pub use config::run as config;
pub use list::run as list;

/// Asks the control plane at `address`.
pub async fn ask<T: DeserializeOwned>(address: SocketAddr, path: &str) -> Result<T> {
    let body = match admin_client::get(address, path).await {
        Err(error @ AdminClientError::Connect { .. }) => {
            return Err(error).context("is the control plane running? --address names its debug address");
        }
        answer => answer?,
    };
    serde_json::from_slice(&body)
        .context("the control plane answers in another form: is it of another version?")
}
