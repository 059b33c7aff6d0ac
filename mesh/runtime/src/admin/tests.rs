//! Who gets what of the admin server.

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
    assert_eq!(ask(&router, "[::ffff:127.0.0.1]:1", "localhost", "/debug/proxies").await.0, StatusCode::OK);
    for (peer, host) in [(AWAY, "localhost"), (HERE, "evil.example"), (HERE, "localhost.evil.example")] {
        assert_eq!(
            ask(&router, peer, host, "/debug/proxies").await.0,
            StatusCode::FORBIDDEN,
            "{peer} {host}"
        );
    }
    assert_eq!(ask(&router, HERE, "localhost", "/nothing").await.0, StatusCode::NOT_FOUND);
}

/// Lets through whoever says the word, and to one place only.
struct Word;

impl Gate for Word {
    fn admit(&self, request: &Parts) -> BoxFuture<'static, Result<(), Denied>> {
        let denied = match (request.headers.get("word"), request.uri.path()) {
            (None, _) => Err(Denied::Unknown("who are you?".to_owned())),
            (Some(_), "/debug/proxies") => Ok(()),
            (Some(_), _) => Err(Denied::Forbidden("none of your business".to_owned())),
        };
        Box::pin(std::future::ready(denied))
    }
}

#[tokio::test]
async fn callers_elsewhere_pass_the_gate_or_get_nothing() {
    let debug = Router::new()
        .route("/debug/proxies", get(|| async { "all" }))
        .route("/debug/problems", get(|| async { "all" }));
    let admin = admin(&Readiness::new()).loopback_routes(debug).gate(Some(Arc::new(Word)));
    let router = admin.into_router();
    let ask = async |peer: &str, host: &str, path: &str, word: bool| {
        let peer: SocketAddr = peer.parse().unwrap();
        let mut request = Request::get(path).header(header::HOST, host);
        if word {
            request = request.header("word", "a");
        }
        let request = request.body(Body::empty()).unwrap();
        router.clone().layer(MockConnectInfo(peer)).oneshot(request).await.unwrap().status()
    };
    assert_eq!(ask(AWAY, "pod:15014", "/debug/proxies", true).await, StatusCode::OK);
    assert_eq!(ask(AWAY, "pod:15014", "/debug/proxies", false).await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(AWAY, "pod:15014", "/debug/problems", true).await, StatusCode::FORBIDDEN);
    assert_eq!(ask(HERE, "localhost", "/debug/problems", false).await, StatusCode::OK);
    // A page in a browser on this machine: no gate helps it.
    assert_eq!(ask(HERE, "evil.example", "/debug/proxies", true).await, StatusCode::FORBIDDEN);
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
