//! Probes as the kubelet sends them, with real applications behind them.

#![allow(clippy::unwrap_used)] // Only tests are in here.

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json, Router,
    body::{Body, to_bytes},
    extract::{ConnectInfo, Request},
    http::{HeaderMap, StatusCode, header::LOCATION},
    response::{IntoResponse as _, Response},
    routing::get,
};
use meltemi_agent::probes::Probes;
use tokio::net::TcpListener;
use tower::ServiceExt as _;

/// Where applications listen in these tests: pods have addresses of their own, too.
const POD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// The agent's port in what kubelets send.
const STATUS_PORT: u16 = 15020;

/// Serves an application until the test ends.
async fn serve(router: Router) -> u16 {
    let listener = TcpListener::bind((POD, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async { axum::serve(listener, service).await });
    port
}

/// What the kubelet is told about a probe with this configuration.
async fn probe(config: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let path = "/app-health/web/readyz";
    let probes = Probes::parse(&format!(r#"{{"{path}": {config}}}"#), POD, STATUS_PORT).unwrap();
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = probes.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn http(port: u16, path: &str) -> (StatusCode, String) {
    probe(&format!(r#"{{"httpGet": {{"port": {port}, "path": "{path}"}}, "timeoutSeconds": 20}}"#), &[]).await
}

/// What a request was like.
async fn echo(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    request: Request,
) -> Json<serde_json::Value> {
    let all: Vec<(String, String)> =
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    Json(serde_json::json!({"from": peer.ip(), "uri": request.uri().to_string(), "headers": all}))
}

#[tokio::test]
async fn the_application_sees_the_kubelets_request_from_the_address_that_is_let_through() {
    let port = serve(Router::new().fallback(echo)).await;
    let config = format!(r#"{{"httpGet": {{"port": {port}, "path": "ready?full=1"}}}}"#);
    let sent = [
        ("host", "10.1.2.3:15020"),
        ("user-agent", "kube-probe/1.33"),
        ("x-of-the-probe", "yes"),
        ("connection", "close"),
    ];
    let (status, body) = probe(&config, &sent).await;
    assert_eq!(status, StatusCode::OK);
    let seen: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&seen["from"], &seen["uri"]), (&"127.0.0.6".into(), &"/ready?full=1".into()));
    let mut headers: Vec<(String, String)> = serde_json::from_value(seen["headers"].clone()).unwrap();
    headers.sort();
    let host = format!("10.1.2.3:{port}");
    let wanted = [("host", &*host), ("user-agent", "kube-probe/1.33"), ("x-of-the-probe", "yes")];
    assert_eq!(headers, wanted.map(|(name, value)| (name.to_owned(), value.to_owned())));
    // Another port is the probe's own business.
    let (_, body) = probe(&config, &[("host", "web.test:81")]).await;
    assert!(body.contains("web.test:81"), "{body}");
}

#[tokio::test]
async fn status_and_body_are_the_applications_up_to_a_limit() {
    let long = || async { (StatusCode::SERVICE_UNAVAILABLE, "x".repeat(100_000)) };
    let port = serve(Router::new().route("/long", get(long))).await;
    let (status, body) = http(port, "/long").await;
    assert_eq!((status, body.len()), (StatusCode::SERVICE_UNAVAILABLE, 10 * 1024));
    assert_eq!(http(port, "/none").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn redirects_are_followed_while_they_stay() {
    let to = |location: String| move || async move { (StatusCode::FOUND, [(LOCATION, location)]) };
    let end = || async { (StatusCode::IM_A_TEAPOT, "here") };
    let other = serve(Router::new().route("/end", get(end))).await;
    let app = Router::new()
        .route("/absolute", get(to("/a/relative".into())))
        .route("/a/relative", get(to("end".into())))
        .route("/a/end", get(end))
        .route("/port", get(to(format!("http://127.0.0.1:{other}/end"))))
        .route("/elsewhere", get(to("http://example.com/".into())))
        .route("/loop", get(to("/loop".into())))
        .route("/nowhere", get(|| async { StatusCode::NOT_MODIFIED }));
    let port = serve(app).await;
    let teapot = (StatusCode::IM_A_TEAPOT, "here".to_owned());
    assert_eq!(http(port, "/absolute").await, teapot);
    assert_eq!(http(port, "/port").await, teapot);
    assert_eq!(http(port, "/elsewhere").await.0, StatusCode::OK);
    assert_eq!(http(port, "/nowhere").await.0, StatusCode::OK);
    assert_eq!(http(port, "/loop").await.0, StatusCode::INTERNAL_SERVER_ERROR);
}

#[tokio::test]
async fn an_application_that_is_silent_or_not_there_fails() {
    let silent = TcpListener::bind((POD, 0)).await.unwrap();
    let port = silent.local_addr().unwrap().port();
    let failed = StatusCode::INTERNAL_SERVER_ERROR;
    let get = format!(r#"{{"httpGet": {{"port": {port}}}, "timeoutSeconds": 1}}"#);
    assert_eq!(probe(&get, &[]).await.0, failed);
    let grpc = format!(r#"{{"grpc": {{"port": {port}}}, "timeoutSeconds": 1}}"#);
    assert_eq!(probe(&grpc, &[]).await.0, failed);
    let tcp = format!(r#"{{"tcpSocket": {{"port": {port}}}}}"#);
    assert_eq!(probe(&tcp, &[]).await.0, StatusCode::OK);
    drop(silent);
    for config in [get, grpc, tcp] {
        assert_eq!(probe(&config, &[]).await.0, failed, "{config}");
    }
}

#[tokio::test]
async fn grpc_applications_say_whether_they_serve() {
    // `grpc.health.v1.HealthCheckResponse`: the field `status`, and which service is asked about in the request.
    let health = |request: Request| async {
        let (_, body) = request.into_parts();
        let asked = to_bytes(body, 1024).await.unwrap();
        let serving = !asked.ends_with(b"broken");
        let status = if asked.ends_with(b"unknown") { "5" } else { "0" };
        let message = if serving { vec![0, 0, 0, 0, 2, 8, 1] } else { vec![0, 0, 0, 0, 2, 8, 2] };
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        let frames = [
            Ok::<_, Infallible>(http_body::Frame::data(message.into())),
            Ok(http_body::Frame::trailers(trailers)),
        ];
        let body = Body::new(http_body_util::StreamBody::new(futures::stream::iter(frames)));
        Response::builder().header("content-type", "application/grpc").body(body).unwrap().into_response()
    };
    let port = serve(Router::new().route("/grpc.health.v1.Health/Check", axum::routing::post(health))).await;
    let of = |service: &'static str| async move {
        let config =
            format!(r#"{{"grpc": {{"port": {port}, "service": "{service}"}}, "timeoutSeconds": 20}}"#);
        probe(&config, &[("user-agent", "kube-probe/1.33")]).await.0
    };
    assert_eq!(of("").await, StatusCode::OK);
    assert_eq!(of("broken").await, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(of("unknown").await, StatusCode::INTERNAL_SERVER_ERROR);
    let other = serve(Router::new().fallback(echo)).await;
    let config = format!(r#"{{"grpc": {{"port": {other}}}, "timeoutSeconds": 20}}"#);
    assert_eq!(probe(&config, &[]).await.0, StatusCode::INTERNAL_SERVER_ERROR, "it speaks no gRPC");
}

#[tokio::test]
async fn certificates_are_not_looked_at() {
    let key = rcgen::generate_simple_self_signed(["nobody.test".to_owned()]).unwrap();
    let chain = vec![key.cert.der().clone()];
    let private = rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    for versions in [&["http/1.1"][..], &["h2"]] {
        let builder = rustls::ServerConfig::builder_with_provider(mesh_pki::tls::provider());
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let mut config = builder.with_single_cert(chain.clone(), private.clone_key()).unwrap();
        config.alpn_protocols = versions.iter().map(|version| version.as_bytes().to_vec()).collect();
        let listener = TcpListener::bind((POD, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let stream = acceptor.accept(stream).await.unwrap();
            let service =
                hyper::service::service_fn(|request: hyper::Request<hyper::body::Incoming>| async move {
                    let host = request.uri().authority().map(ToString::to_string);
                    let host =
                        host.or_else(|| Some(request.headers().get("host")?.to_str().ok()?.to_owned()));
                    Ok::<_, Infallible>(Response::new(Body::from(format!(
                        "{:?} {}",
                        request.version(),
                        host.unwrap()
                    ))))
                });
            let io = hyper_util::rt::TokioIo::new(stream);
            let executor = hyper_util::rt::TokioExecutor::new();
            hyper_util::server::conn::auto::Builder::new(executor)
                .serve_connection(io, service)
                .await
                .unwrap();
        });
        let config = format!(r#"{{"httpGet": {{"port": {port}, "scheme": "HTTPS"}}, "timeoutSeconds": 20}}"#);
        let (status, body) = probe(&config, &[("host", "web.test")]).await;
        let version = if versions == ["h2"] { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!((status, body), (StatusCode::OK, format!("{version} web.test")));
    }
}

#[tokio::test]
async fn what_is_no_probe_of_the_pod_is_said_to_be_none() {
    let probes =
        Probes::parse(r#"{"/app-lifecycle/web/prestopz": {"tcpSocket": {"port": 1}}}"#, POD, STATUS_PORT)
            .unwrap();
    let request = Request::get("/app-health/web/livez").body(Body::empty()).unwrap();
    let response = probes.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body = to_bytes(response.into_body(), 1024).await.unwrap();
    assert_eq!(body, "there is no probe at /app-health/web/livez; there are: /app-lifecycle/web/prestopz\n");
}
