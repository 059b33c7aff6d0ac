//! The HTTP server of an agent: readiness, and how the proxy is asked to end.
//!
//! In: what Envoy's admin interface says, whether there is a certificate, and routes that others add. Out: `/healthz/ready`,
//! `/quitquitquit`, `/drain`. The last two are for callers on this machine only.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::StatusCode,
    routing::{get, post},
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};

use crate::{
    Identity,
    envoy::{Listen, admin},
};

/// How a proxy is doing.
#[derive(Debug)]
pub struct Status {
    listen: Listen,
    /// `None` when another agent has the certificate.
    identity: Option<watch::Receiver<Option<Identity>>>,
    /// Clusters and listeners were heard of once: that does not change any more.
    configured: AtomicBool,
    draining: AtomicBool,
    quits: mpsc::Sender<()>,
}

impl Status {
    pub(crate) fn new(
        listen: Listen,
        identity: Option<watch::Receiver<Option<Identity>>>,
        quits: mpsc::Sender<()>,
    ) -> Self {
        Self { listen, identity, configured: AtomicBool::new(false), draining: AtomicBool::new(false), quits }
    }

    /// Whether the proxy may be sent requests.
    ///
    /// # Errors
    /// With what is missing.
    pub async fn ready(&self) -> Result<(), String> {
        if self.draining.load(Ordering::Relaxed) {
            return Err("the proxy is draining".to_owned());
        }
        if self.identity.as_ref().is_some_and(|identity| identity.borrow().is_none()) {
            return Err("there is no certificate yet".to_owned());
        }
        let progress = admin::progress(self.listen.admin).await;
        let admin::Progress { clusters, listeners, workers, live } =
            progress.map_err(|error| format!("Envoy does not answer: {error}"))?;
        if !self.configured.load(Ordering::Relaxed) {
            if !clusters || !listeners {
                let received = |is: bool| if is { "received" } else { "not received" };
                let (clusters, listeners) = (received(clusters), received(listeners));
                return Err(format!(
                    "Envoy has no configuration yet: clusters {clusters}, listeners {listeners}"
                ));
            }
            self.configured.store(true, Ordering::Relaxed);
        }
        match (live, workers) {
            (true, true) => Ok(()),
            (true, false) => Err("Envoy's workers are not started yet".to_owned()),
            (false, _) => Err("Envoy is not live".to_owned()),
        }
    }

    /// From now on the proxy is not ready.
    pub fn set_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, status: Arc<Status>, more: Router) {
    let router = Router::new()
        .route("/healthz/ready", get(ready))
        .route("/quitquitquit", post(quit))
        .route("/drain", post(drain))
        .with_state(status)
        .merge(more);
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    if let Err(error) = axum::serve(listener, service).await {
        tracing::error!(%error, "the status server has ended");
    }
}

type Answer = (StatusCode, String);

async fn ready(State(status): State<Arc<Status>>) -> Answer {
    match status.ready().await {
        Ok(()) => (StatusCode::OK, String::new()),
        Err(missing) => {
            tracing::debug!(missing, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, missing + "\n")
        }
    }
}

async fn quit(State(status): State<Arc<Status>>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Answer {
    if let Err(refused) = from_here(peer) {
        return refused;
    }
    // One is enough: a second finds the first still waiting.
    let _ = status.quits.try_send(());
    (StatusCode::OK, "ending\n".to_owned())
}

/// What a native sidecar's `preStop` asks for: inbound connections are asked to go, all else goes on until the end.
async fn drain(State(status): State<Arc<Status>>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> Answer {
    if let Err(refused) = from_here(peer) {
        return refused;
    }
    match admin::drain(status.listen.admin).await {
        Ok(()) => (StatusCode::OK, "draining\n".to_owned()),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")),
    }
}

/// Others on the network may not end a proxy.
fn from_here(peer: SocketAddr) -> Result<(), Answer> {
    match peer.ip().to_canonical().is_loopback() {
        true => Ok(()),
        false => Err((StatusCode::FORBIDDEN, "only requests from this machine are taken\n".to_owned())),
    }
}
