//! In: readiness, metrics, and routes that a caller adds. Out: the HTTP server that kubelets, Prometheus and operators ask.
//!
//! `/healthz` says that the process runs, `/ready` that it may be sent work (503 and what is missing otherwise),
//! `/metrics` is what Prometheus scrapes. Routes added with [`Admin::routes`] are as open as these. Those added with
//! [`Admin::loopback_routes`] answer callers on this machine only, whatever address the server is bound to: debug
//! output holds the whole configuration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    http::{StatusCode, header, uri::Authority},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use crate::{
    drain::Drain,
    metrics::{self, Exposition},
    ready::Readiness,
};

/// Where an admin server listens unless told otherwise: Istio's monitoring port, on this machine only.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 15014);

/// An admin server that is being put together.
pub struct Admin {
    answers: Answers,
    open: Router,
    loopback: Router,
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
        Self { answers, open: Router::new(), loopback: Router::new() }
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

    /// Adds routes that answer callers on this machine only.
    #[must_use]
    pub fn loopback_routes(mut self, routes: Router) -> Self {
        self.loopback = self.loopback.merge(routes);
        self
    }

    /// All routes in one router. It wants `ConnectInfo<SocketAddr>`, which [`Bound::serve`] provides.
    pub fn into_router(self) -> Router {
        let Self { answers, open, loopback } = self;
        Router::new()
            .route("/healthz", get(|| async { "ok\n" }))
            .route("/ready", get(ready))
            .route("/metrics", get(metrics))
            .with_state(answers)
            .merge(open)
            .merge(loopback.layer(middleware::from_fn(refuse_remote)))
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

/// Both ends must be this machine: the peer, and the name that the client thinks it talks to. A web page can make a
/// browser on this machine connect to loopback under the page's own host name, but it can't change that name.
async fn refuse_remote(ConnectInfo(peer): ConnectInfo<SocketAddr>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let host_is_local = host.is_none_or(names_this_machine);
    if peer.ip().to_canonical().is_loopback() && host_is_local {
        return next.run(request).await;
    }
    let text = "debug endpoints answer on loopback only; use `kubectl port-forward` to reach this one\n";
    (StatusCode::FORBIDDEN, text).into_response()
}

fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, extract::connect_info::MockConnectInfo};
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::{drain, metrics::Metrics};

    async fn ask(router: &Router, peer: &str, host: &str, path: &str) -> (StatusCode, String) {
        let peer: SocketAddr = peer.parse().unwrap();
        let request = Request::get(path).header(header::HOST, host).body(Body::empty()).unwrap();
        let response = router.clone().layer(MockConnectInfo(peer)).oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn admin(readiness: &Readiness) -> Admin {
        Admin::new(readiness.clone(), Metrics::new().finish())
    }

    const HERE: &str = "127.0.0.1:5000";
    const AWAY: &str = "10.0.0.7:5000";

    #[tokio::test]
    async fn ready_lists_what_is_missing_and_turns_at_drain() {
        let readiness = Readiness::new();
        let (trigger, drain) = drain::channel();
        let (services, pods) = (readiness.handle("services"), readiness.handle("pods"));
        let router = admin(&readiness).draining_with(&drain).into_router();

        services.ready();
        let (status, text) = ask(&router, AWAY, "pod:15014", "/ready").await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "not ready, waiting for:\n  pods\n"));
        pods.ready();
        assert_eq!(ask(&router, AWAY, "pod:15014", "/ready").await, (StatusCode::OK, "ready\n".into()));

        trigger.drain(std::time::Duration::ZERO).await.unwrap();
        let (status, text) = ask(&router, AWAY, "pod:15014", "/ready").await;
        assert_eq!((status.as_u16(), text.as_str()), (503, "not ready: shutting down\n"));
        assert_eq!(ask(&router, AWAY, "pod:15014", "/healthz").await.0, StatusCode::OK);
    }

    #[tokio::test]
    async fn added_routes_are_open_or_loopback_as_asked() {
        let open = Router::new().route("/version", get(|| async { "1" }));
        let debug = Router::new().route("/debug/proxies", get(|| async { "all" }));
        let router = admin(&Readiness::new()).routes(open).loopback_routes(debug).into_router();

        assert_eq!(ask(&router, AWAY, "pod:15014", "/version").await.0, StatusCode::OK);
        for host in ["localhost:15014", "127.0.0.1:15014", "[::1]:15014", "LOCALHOST"] {
            assert_eq!(ask(&router, HERE, host, "/debug/proxies").await.0, StatusCode::OK, "{host}");
        }
        assert_eq!(
            ask(&router, "[::ffff:127.0.0.1]:1", "localhost", "/debug/proxies").await.0,
            StatusCode::OK
        );
        for (peer, host) in [(AWAY, "localhost"), (HERE, "evil.example"), (HERE, "localhost.evil.example")] {
            assert_eq!(
                ask(&router, peer, host, "/debug/proxies").await.0,
                StatusCode::FORBIDDEN,
                "{peer} {host}"
            );
        }
        assert_eq!(ask(&router, HERE, "localhost", "/nothing").await.0, StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn serves_on_a_real_port_and_names_one_that_is_taken() {
        let bound = admin(&Readiness::new()).bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = bound.address();
        tokio::spawn(bound.serve());
        let error = admin(&Readiness::new()).bind(address).await.err().unwrap();
        assert!(error.to_string().contains(&address.to_string()), "{error}");

        let answer = get_raw(address, "/metrics").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.contains(metrics::CONTENT_TYPE), "{answer}");
        assert!(answer.ends_with("# EOF\n"), "{answer}");
    }

    async fn get_raw(address: SocketAddr, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}
