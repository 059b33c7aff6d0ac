//! In: readiness, metrics, and routes that a caller adds. Out: the HTTP server that kubelets, Prometheus and operators ask.
//!
//! `/healthz` says that the process runs, `/ready` that it may be sent work (503 and what is missing otherwise),
//! `/metrics` is what Prometheus scrapes. Routes added with [`Admin::routes`] are as open as these. Those added with
//! [`Admin::loopback_routes`] answer callers on this machine, whatever address the server is bound to, and others only if a
//! [`Gate`] lets them: debug output holds the whole configuration.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header, request::Parts, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use futures::future::BoxFuture;
use tokio::net::TcpListener;

use crate::{
    drain::Drain,
    metrics::{self, Exposition},
    ready::Readiness,
};

/// Where an admin server listens unless told otherwise: Istio's monitoring port, on this machine only.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15014);

/// Lets callers on other machines through to debug routes, or not.
pub trait Gate: Send + Sync + 'static {
    /// Whether this request may pass.
    ///
    /// # Errors
    /// When it may not.
    fn admit(&self, request: &Parts) -> BoxFuture<'static, Result<(), Denied>>;
}

/// Why a caller on another machine gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is not known.
    #[error("{0}")]
    Unknown(String),
    /// It is known, and this is none of its business.
    #[error("{0}")]
    Forbidden(String),
    /// It can't be found out now.
    #[error("{0}")]
    Unavailable(String),
}

/// An admin server that is being put together.
pub struct Admin {
    answers: Answers,
    open: Router,
    loopback: Router,
    gate: Option<Arc<dyn Gate>>,
}

/// An admin server that has its port.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

/// The server could not get its port.
#[derive(Debug, thiserror::Error)]
#[error("the admin server can't listen on {address}: {source}")]
pub struct BindError {
    /// Where it was to listen.
    pub address: SocketAddr,
    /// Why it can't.
    pub source: std::io::Error,
}

#[derive(Clone)]
struct Answers {
    readiness: Readiness,
    exposition: Exposition,
    drain: Option<Drain>,
}

impl Admin {
    /// A server for `/healthz`, `/ready` and `/metrics`.
    pub fn new(readiness: Readiness, exposition: Exposition) -> Self {
        let answers = Answers { readiness, exposition, drain: None };
        Self { answers, open: Router::new(), loopback: Router::new(), gate: None }
    }

    /// Makes `/ready` say no once the drain begins, so that no new work is sent here.
    #[must_use]
    pub fn draining_with(mut self, drain: &Drain) -> Self {
        self.answers.drain = Some(drain.clone());
        self
    }

    /// Adds routes for whoever can reach the server.
    #[must_use]
    pub fn routes(mut self, routes: Router) -> Self {
        self.open = self.open.merge(routes);
        self
    }

    /// Lets callers on other machines through to the loopback routes, if `gate` does.
    #[must_use]
    pub fn gate(mut self, gate: Option<Arc<dyn Gate>>) -> Self {
        self.gate = gate;
        self
    }

    /// Adds routes that answer callers on this machine, and others only if there is a [`Gate`] that lets them.
    #[must_use]
    pub fn loopback_routes(mut self, routes: Router) -> Self {
        self.loopback = self.loopback.merge(routes);
        self
    }

    /// All routes in one router. It wants `ConnectInfo<SocketAddr>`, which [`Bound::serve`] provides.
    pub fn into_router(self) -> Router {
        let Self { answers, open, loopback, gate } = self;
        let guard = middleware::from_fn_with_state(gate, guard);
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(answers)
            .merge(open)
            .merge(loopback.layer(guard))
    }

    /// Takes the port. Port 0 takes a free one, told by [`Bound::address`].
    ///
    /// # Errors
    /// When the port can't be had.
    pub async fn bind(self, address: SocketAddr) -> Result<Bound, BindError> {
        let error = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(error)?;
        let address = listener.local_addr().map_err(error)?;
        Ok(Bound { listener, address, router: self.into_router() })
    }
}

impl Bound {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until the task is dropped. It answers during a drain too: that is when `/ready` and `/metrics` matter most.
    pub async fn serve(self) {
        let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
        // axum retries failed accepts itself and never returns from here.
        if let Err(error) = axum::serve(self.listener, service).await {
            tracing::error!(%error, address = %self.address, "the admin server stopped");
        }
    }
}

async fn ready(State(answers): State<Answers>) -> Response {
    let Answers { readiness, exposition: _, drain } = answers;
    if drain.is_some_and(|drain| drain.is_draining()) {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: shutting down\n").into_response();
    }
    let pending = readiness.pending();
    if pending.is_empty() {
        return "ready\n".into_response();
    }
    let mut text = String::from("not ready, waiting for:\n");
    for item in pending {
        text.push_str(&format!("  {item}\n"));
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}

async fn metrics(State(answers): State<Answers>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], answers.exposition.render()).into_response()
}

/// Lets callers on this machine pass. Both ends must be this machine: the peer, and the name that the client thinks it talks to. A web page
/// can make a browser on this machine connect to loopback under the page's own host name, but it can't change that name.
async fn guard(
    State(gate): State<Option<Arc<dyn Gate>>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host_is_local = host.is_none_or(names_this_machine);
    let is_local = peer.ip().to_canonical().is_loopback();
    if is_local && host_is_local {
        return next.run(request).await;
    }
    let Some(gate) = gate.filter(|_| !is_local) else {
        let text = "debug endpoints answer on loopback only; use `kubectl port-forward` to reach this one\n";
        return (StatusCode::FORBIDDEN, text).into_response();
    };
    let (parts, body) = request.into_parts();
    let denied = match gate.admit(&parts).await {
        Ok(()) => return next.run(Request::from_parts(parts, body)).await,
        Err(denied) => denied,
    };
    tracing::info!(%peer, path = parts.uri.path(), %denied, "a debug endpoint was refused");
    let status = match denied {
        Denied::Unknown(_) => StatusCode::UNAUTHORIZED,
        Denied::Forbidden(_) => StatusCode::FORBIDDEN,
        Denied::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, format!("{denied}\n")).into_response()
}

fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
