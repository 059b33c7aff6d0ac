//! The end of a proxy in good order.
//!
//! In: how long to wait, and for what. Out: an Envoy whose clients have been asked to go and, where it was asked for, have gone.

use std::time::Duration;

use tokio::time::sleep;

use crate::envoy::{Listen, admin};

/// How often it is asked whether connections are left.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How a proxy ends.
#[derive(Debug, Clone, Copy)]
pub struct DrainSettings {
    /// Where Envoy is asked.
    pub listen: Listen,
    /// How long clients have, when it is not waited for the last of them.
    pub longest: Duration,
    /// Whether it is waited until no client is left, however long that takes: whoever started the pod sets the limit.
    pub until_idle: bool,
    /// How long it is waited then before the first look: clients may be on their way.
    pub shortest: Duration,
}

/// Asks clients to go, and waits for them.
pub async fn drain(settings: DrainSettings) {
    let DrainSettings { listen, longest, until_idle, shortest } = settings;
    if let Err(error) = admin::drain(listen.admin).await {
        tracing::warn!(%error, "Envoy can't be asked to drain: there is nothing to wait for");
        return;
    }
    if !until_idle {
        tracing::info!(wait = ?longest, "draining");
        return sleep(longest).await;
    }
    tracing::info!(wait = ?shortest, "draining, then until no connection is left");
    sleep(shortest).await;
    loop {
        match admin::active_connections(&listen).await {
            Ok(0) => return,
            Ok(connections) => tracing::debug!(connections, "waiting"),
            Err(error) => {
                tracing::warn!(%error, "Envoy does not answer: it is not waited for");
                return;
            }
        }
        sleep(ASK_EVERY).await;
    }
}
