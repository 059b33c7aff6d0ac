//! Probes of the application, on its behalf.
//!
//! In: what the injector took from the pod's containers (`ISTIO_KUBE_APP_PROBERS`), and requests of the kubelet, which can't speak mutual TLS.
//! Out: what the application answers. It must not know Envoy: probes go around it.
//!
//! Redirects, bodies and certificates are taken as the kubelet would take them.

mod config;
mod grpc;
mod http_get;
mod no_verification;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
    routing::any,
};
use tokio::time::timeout;

use crate::exchange::connect;
use config::Prober;
pub use config::{Action, ProbeConfigError};
pub use http_get::HttpGet;

/// Where probes come from. Envoy's redirection knows it, and lets them through to the application.
fn source(destination: IpAddr) -> IpAddr {
    match destination {
        IpAddr::V4(_) => Ipv4Addr::new(127, 0, 0, 6).into(),
        IpAddr::V6(_) => Ipv6Addr::from_bits(6).into(),
    }
}

/// The probes of a pod.
#[derive(Debug, Clone)]
pub struct Probes {
    by_path: BTreeMap<String, Prober>,
    /// The pod's own address.
    destination: IpAddr,
    /// Our own port: where a request names it, it means the application's.
    status_port: u16,
}

impl Probes {
    /// Reads what the injector has written. `destination` is the pod's address.
    ///
    /// # Errors
    /// When it is not what an injector writes.
    pub fn parse(json: &str, destination: IpAddr, status_port: u16) -> Result<Self, ProbeConfigError> {
        Ok(Self { by_path: config::parse(json)?, destination, status_port })
    }

    /// Answers them.
    pub fn router(self) -> Router {
        let probes = Arc::new(self);
        Router::new()
            .route("/app-health/{*rest}", any(probe))
            .route("/app-lifecycle/{*rest}", any(probe))
            .with_state(probes)
    }
}

async fn probe(State(probes): State<Arc<Probes>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let Probes { by_path, destination, status_port } = &*probes;
    let Some(Prober { action, timeout: patience }) = by_path.get(&path) else {
        let known: Vec<&str> = by_path.keys().map(String::as_str).collect();
        let text = format!("there is no probe at {path}; there are: {}\n", known.join(", "));
        return (StatusCode::BAD_REQUEST, text).into_response();
    };
    let (from, headers) = (Some(source(*destination)), request.headers());
    let act = async {
        match action {
            Action::HttpGet(get) => {
                let target = http_get::Target { address: *destination, from, status_port: *status_port };
                get.probe(target, headers).await
            }
            Action::TcpSocket { port } => {
                connect(SocketAddr::new(*destination, *port), from)
                    .await
                    .map_err(|error| error.to_string())?;
                Ok(StatusCode::OK.into_response())
            }
            Action::Grpc { port, service } => {
                let address = SocketAddr::new(*destination, *port);
                grpc::check(address, from, service, headers).await?;
                Ok(StatusCode::OK.into_response())
            }
        }
    };
    match within(*patience, act).await {
        Ok(response) => response,
        Err(reason) => {
            tracing::debug!(path, reason, "a probe of the application failed");
            (StatusCode::INTERNAL_SERVER_ERROR, Body::empty()).into_response()
        }
    }
}

/// Asks an application at `address` itself, with these headers if it is asked by HTTP.
///
/// # Errors
/// When it is not well: with the reason.
pub async fn ask(
    address: IpAddr,
    action: &Action,
    headers: &HeaderMap,
    patience: Duration,
) -> Result<(), String> {
    let ask = async {
        match action {
            Action::HttpGet(get) => {
                let target = http_get::Target { address, from: None, status_port: 0 };
                let status = get.probe(target, headers).await?.status();
                let well = status.is_success() || status.is_redirection();
                if well { Ok(()) } else { Err(format!("it answers {status}")) }
            }
            Action::TcpSocket { port } => {
                let connected = connect(SocketAddr::new(address, *port), None).await;
                connected.map(drop).map_err(|error| error.to_string())
            }
            Action::Grpc { port, service } => {
                grpc::check(SocketAddr::new(address, *port), None, service, headers).await
            }
        }
    };
    within(Some(patience), ask).await
}

async fn within<T>(
    patience: Option<Duration>,
    work: impl Future<Output = Result<T, String>>,
) -> Result<T, String> {
    match patience {
        None => work.await,
        Some(patience) => {
            let late = || format!("no answer within {} seconds", patience.as_secs());
            timeout(patience, work).await.map_err(|_| late())?
        }
    }
}
