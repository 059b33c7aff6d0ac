//! Envoy's configuration: from the control plane through the agent, or, while the control plane is away, from what was kept.
//!
//! In: Envoy's stream on a Unix socket, the pod's token and certificate. Out: the same stream to the control plane, over TLS. Messages pass
//! through as they are; they are looked into for names and nonces only, so that what Envoy has accepted can be kept. It must not know what
//! resources mean.
//!
//! [`stream`] is one stream of Envoy's, [`upstream`] the other half of it, [`offline`] what answers in its place.

mod offline;
mod own;
mod raw;
mod service;
mod stream;
mod upstream;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{net::UnixListener, sync::watch, time::sleep};
use tokio_stream::wrappers::UnixListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::{
    EnrolError, Identity, Revoked,
    health::Known,
    renewal::{Backoff, chance},
    state::Store,
};

pub use own::{Follow, Own};

/// Where the control plane is, and how a proxy proves who it is.
#[derive(Debug, Clone)]
pub struct Discovery {
    /// Host and port.
    pub address: String,
    /// The name that its certificate must have.
    pub server_name: String,
    /// The cluster that tokens are from.
    pub cluster: String,
    /// The token of the service account, which the kubelet renews.
    pub token: PathBuf,
    /// The mesh's roots, in PEM.
    pub roots: PathBuf,
    /// Whose certificates are no longer good.
    pub revoked: Revoked,
}

/// What all streams share.
#[derive(Debug, Clone)]
pub struct Relay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    discovery: Discovery,
    identity: watch::Receiver<Option<Identity>>,
    store: Store,
    own: Vec<Own>,
    health: Option<watch::Receiver<Known>>,
    /// Grows while the control plane is away.
    backoff: Mutex<Backoff>,
    /// The certificate did not get us anywhere: next time the token alone.
    by_token: AtomicBool,
}

impl Relay {
    /// A relay to `discovery`, which proves itself by `identity` as far as there is one, keeps what is accepted in `store`, and tells what is
    /// known of the workload's `health`.
    pub fn new(
        discovery: Discovery,
        identity: watch::Receiver<Option<Identity>>,
        store: Store,
        own: Vec<Own>,
        health: Option<watch::Receiver<Known>>,
    ) -> Self {
        let (backoff, by_token) = (Mutex::default(), AtomicBool::new(false));
        Self(Arc::new(Inner { discovery, identity, store, own, health, backoff, by_token }))
    }

    async fn connect(&self) -> Result<tonic::transport::Channel, EnrolError> {
        upstream::connect(&self.0).await
    }

    /// The control plane has answered.
    fn reached(&self) {
        self.backoff(Backoff::reset);
    }

    /// The control plane could not be reached, or refused.
    fn missed(&self) {
        // Alternately with the certificate and without: one that the control plane does not take ends the connection.
        self.0.by_token.fetch_not(Ordering::Relaxed);
    }

    /// Resolves when the control plane can be reached again.
    async fn returned(&self) {
        loop {
            let wait: Duration = self.backoff(|backoff| backoff.next(chance()));
            sleep(wait).await;
            match self.connect().await {
                Ok(_) => return,
                Err(error) => {
                    self.missed();
                    tracing::debug!(%error, "the control plane is still away");
                }
            }
        }
    }

    fn backoff<T>(&self, change: impl FnOnce(&mut Backoff) -> T) -> T {
        change(&mut self.0.backoff.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves Envoy's streams until `shutdown`, then ends them.
///
/// # Errors
/// When the socket can't be served.
pub async fn serve(
    listener: UnixListener,
    relay: Relay,
    shutdown: CancellationToken,
) -> Result<(), tonic::transport::Error> {
    let service = service::Discovery { relay, end: shutdown.clone() };
    Server::builder()
        .add_service(service)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), shutdown.cancelled_owned())
        .await
}
