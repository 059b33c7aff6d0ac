//! The page of metrics as Prometheus gets it, with a real application, and something that speaks as Envoy does, behind it.

#![allow(clippy::unwrap_used)] // Only tests are in here.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
    routing::get,
};
use meltemi_agent::metrics::{AgentMetrics, Application, Sources};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tower::ServiceExt as _;

const ENVOY: &str =
    "# TYPE envoy_istio_requests_total counter\nenvoy_istio_requests_total{} 3\nenvoy_server_live{} 1\n";

async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, router).await });
    address
}

async fn envoy() -> SocketAddr {
    let stats = |request: Request| async move { format!("{ENVOY}# {}\n", request.uri()) };
    serve(Router::new().route("/stats/prometheus", get(stats))).await
}

/// An address where nobody is.
async fn nobody() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap()
}

fn at(application: SocketAddr) -> Application {
    let json = format!(r#"{{"scrape": "true", "path": "/m", "port": "{}"}}"#, application.port());
    Application::parse(&json, 15020).unwrap().unwrap()
}

/// The page: its type, and its text.
async fn page(sources: &Sources, path: &str, accept: &str) -> (String, String) {
    let request = Request::get(path).header("accept", accept).body(Body::empty()).unwrap();
    let response = sources.clone().router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let kind = response.headers()[CONTENT_TYPE].to_str().unwrap().to_owned();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (kind, String::from_utf8(body.to_vec()).unwrap())
}

fn sources(envoy: SocketAddr, application: Option<Application>) -> Sources {
    Sources { agent: Arc::new(AgentMetrics::default()), envoy: Some(envoy), application }
}

/// Failures that are counted, by whose they are.
async fn failures(sources: &Sources, whose: &str) -> Option<u32> {
    let alone = Sources { envoy: None, application: None, ..sources.clone() };
    let (_, text) = page(&alone, "/metrics", "text/plain").await;
    let begin = format!("istio_agent_scrape_failures_total{{type=\"{whose}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&begin)?.parse().ok())
}

#[tokio::test]
async fn all_three_are_on_one_page() {
    let heard = |headers: HeaderMap| async move {
        let accept = headers["accept"].to_str().unwrap().to_owned();
        ([(CONTENT_TYPE, "text/plain; version=0.0.4")], format!("app_requests_total 7\n# {accept}"))
    };
    let application = serve(Router::new().route("/m", get(heard))).await;
    let sources = sources(envoy().await, Some(at(application)));
    let protobuf = "application/vnd.google.protobuf;q=1,text/plain;q=0.5";
    let (kind, text) = page(&sources, "/stats/prometheus?usedonly", protobuf).await;
    assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
    let rest = text.split_once("\n# TYPE istio_requests_total").unwrap();
    assert!(rest.0.contains("istio_agent_scrapes_total 1"), "{text}");
    let wanted = " counter\nistio_requests_total{} 3\nenvoy_server_live{} 1\n# /stats/prometheus?usedonly\n\
                  app_requests_total 7\n# text/plain;version=0.0.4\n";
    assert_eq!(rest.1, wanted);
}

#[tokio::test]
async fn the_newer_format_ends_once_whatever_the_application_does() {
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let app = move || async move { ([(CONTENT_TYPE, open)], "app 1\n# EOF\n") };
    let application = serve(Router::new().route("/m", get(app))).await;
    let sources = sources(envoy().await, Some(at(application)));
    let (kind, text) = page(&sources, "/metrics", "application/openmetrics-text;version=1.0.0").await;
    assert_eq!(kind, open);
    assert!(text.ends_with("app 1\n# EOF\n"), "{text}");
    assert_eq!(text.matches("# EOF").count(), 1);
}

#[tokio::test]
async fn what_is_missing_is_counted_and_the_rest_is_there() {
    let broken = || async { (StatusCode::INTERNAL_SERVER_ERROR, "nothing 1\n") };
    let protobuf = || async { ([(CONTENT_TYPE, "application/vnd.google.protobuf")], "x") };
    let app = Router::new().route("/m", get(broken));
    let other = Router::new().route("/m", get(protobuf));
    for (count, application) in (1..).zip([serve(app).await, serve(other).await, nobody().await]) {
        let sources = sources(envoy().await, Some(at(application)));
        let (_, text) = page(&sources, "/stats/prometheus", "text/plain").await;
        assert!(text.contains("envoy_server_live"), "{count}: {text}");
        assert!(!text.contains("nothing"), "{text}");
        assert_eq!(failures(&sources, "application").await, Some(1), "{count}");
        assert_eq!(failures(&sources, "envoy").await, None);
    }
    let sources = sources(nobody().await, None);
    let (_, text) = page(&sources, "/stats/prometheus", "text/plain").await;
    assert!(text.contains("istio_agent_scrapes_total"), "{text}");
    assert_eq!(failures(&sources, "envoy").await, Some(1));
}

#[tokio::test]
async fn an_application_that_does_not_end_is_cut_at_a_line() {
    let line = "app_metric{label=\"some value that takes its room\"} 1\n";
    let endless = move || async move {
        let piece = Bytes::from(line.repeat(1000));
        Body::from_stream(futures::stream::repeat(Ok::<_, std::convert::Infallible>(piece)))
    };
    let application = serve(Router::new().route("/m", get(endless))).await;
    let sources = sources(envoy().await, Some(at(application)));
    let (_, text) = page(&sources, "/stats/prometheus", "text/plain").await;
    assert!(text.len() <= 10 * 1024 * 1024 + 100_000, "{} bytes", text.len());
    assert!(text.len() > 9 * 1024 * 1024, "{} bytes", text.len());
    assert!(text.ends_with(line));
    assert_eq!(failures(&sources, "application").await, Some(1));
}

#[tokio::test]
async fn a_page_of_an_application_that_breaks_off_ends_with_whole_lines() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let application = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // All of the request is read: what is left unread would make the kernel drop the answer.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            stream.read_buf(&mut request).await.unwrap();
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\nwhole 1\nhal").await.unwrap();
    });
    let sources = sources(envoy().await, Some(at(application)));
    let (_, text) = page(&sources, "/stats/prometheus", "text/plain").await;
    assert!(text.ends_with("whole 1\n"), "{text}");
    assert_eq!(failures(&sources, "application").await, Some(1));
}
