//! What an echo workload does on the wire, over real sockets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test says what it expects by unwrapping it")]

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use meltemi_local::{
    HTTP_PROXY_PORT, Identity,
    call::{self, Call},
    directory::Entry,
    echo::{self, EchoAnswer, EchoHandle, EchoSpec},
    envoy::SidecarState,
};
use mesh_model::{LocalPort, Protocol};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

fn identity(version: &str) -> Identity {
    Identity {
        pod: format!("reviews-{version}-0").into(),
        namespace: "shop".into(),
        workload: format!("reviews-{version}").into(),
        app: "reviews".into(),
        version: version.into(),
    }
}

async fn start(protocol: Protocol) -> (EchoHandle, SocketAddr) {
    let spec = EchoSpec {
        identity: identity("v1"),
        pod_address: [127, 64, 0, 1].into(),
        application: [127, 0, 0, 1].into(),
        ports: vec![LocalPort { number: 0, protocol }],
    };
    let handle = echo::start(spec).await.unwrap();
    let address = handle.addresses()[0];
    (handle, address)
}

async fn over_http1(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

async fn over_http2(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender.send_request(request).await.unwrap()
}

fn get(path: &str) -> Request<Full<Bytes>> {
    let uri = format!("http://reviews:9080{path}");
    Request::get(uri).header("x-a", "1").header("x-a", "2").body(Full::default()).unwrap()
}

async fn answer(response: Response<Incoming>) -> EchoAnswer {
    serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

#[tokio::test]
async fn http_says_who_answers_and_what_arrived() {
    for protocol in [Protocol::Http, Protocol::Auto] {
        let (echo, address) = start(protocol).await;
        let first = answer(over_http1(address, get("/a?b=c")).await).await;
        assert_eq!((first.identity, first.protocol.as_str()), (identity("v1"), "HTTP/1.1"));
        assert_eq!(first.port, address.port());
        let seen = first.request.unwrap();
        assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/a?b=c"));
        assert_eq!((seen.host.as_str(), seen.headers["x-a"].as_str()), ("reviews:9080", "1, 2"));

        let mut post = get("/");
        *post.method_mut() = Method::POST;
        *post.body_mut() = Full::from("hello");
        let second = answer(over_http2(address, post).await).await;
        assert_eq!((second.protocol.as_str(), second.request.unwrap().body_bytes), ("HTTP/2", 5));
        assert_eq!(echo.requests(), 2);
    }
}

#[tokio::test]
async fn trouble_comes_as_ordered() {
    let (echo, address) = start(Protocol::Http).await;
    assert_eq!(over_http1(address, get("/?status=418")).await.status(), 418);
    assert_eq!(over_http1(address, get("/?status=nonsense")).await.status(), 400);
    let mut by_header = get("/");
    by_header.headers_mut().insert("x-echo-status", "503".parse().unwrap());
    assert_eq!(over_http1(address, by_header).await.status(), 503);
    let filled = answer(over_http1(address, get("/?size=1000")).await).await;
    assert_eq!(filled.payload.len(), 1000);

    let started = std::time::Instant::now();
    over_http1(address, get("/?delay=60ms")).await;
    assert!(started.elapsed().as_millis() >= 60);

    echo.set_failing(true);
    assert_eq!(over_http1(address, get("/")).await.status(), 503);
    echo.set_failing(false);
    assert_eq!(over_http1(address, get("/")).await.status(), 200);
}

#[tokio::test]
async fn grpc_messages_come_back_with_a_status() {
    let (echo, address) = start(Protocol::Grpc).await;
    let message = Bytes::from_static(b"\0\0\0\0\x03abc");
    let call = |status: Option<&str>| {
        let mut request = Request::post("http://reviews:9080/any.Service/Method");
        request = request.header("content-type", "application/grpc").header("te", "trailers");
        if let Some(status) = status {
            request = request.header("x-echo-status", status);
        }
        over_http2(address, request.body(Full::new(message.clone())).unwrap())
    };
    let response = call(None).await;
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert_eq!(body.to_bytes(), message);

    assert_eq!(call(Some("5")).await.headers()["grpc-status"], "5");
    echo.set_failing(true);
    assert_eq!(call(None).await.headers()["grpc-status"], "14");
}

#[tokio::test]
async fn tcp_comes_back_as_it_went() {
    for protocol in [Protocol::Tcp, Protocol::Auto] {
        let (_echo, address) = start(protocol).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"\x01hello").await.unwrap();
        let mut back = [0; 6];
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"\x01hello");

        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"WHOAMI\nrest").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let (line, rest) = text.split_once('\n').unwrap();
        let who: EchoAnswer = serde_json::from_str(line).unwrap();
        assert_eq!((who.identity, who.protocol.as_str(), rest), (identity("v1"), "TCP", "rest"));
    }
}

#[tokio::test]
async fn a_stopped_workload_gives_its_port_back_and_a_taken_one_is_named() {
    let (echo, address) = start(Protocol::Http).await;
    let spec = EchoSpec {
        identity: identity("v2"),
        pod_address: address.ip(),
        application: address.ip(),
        ports: vec![LocalPort { number: address.port(), protocol: Protocol::Http }],
    };
    let error = echo::start(spec.clone()).await.unwrap_err().to_string();
    assert!(error.contains(&format!("reviews-v2-0 can't listen on {address}")), "{error}");
    assert!(error.ends_with("is another `meltemi up` running on the same files?"), "{error}");
    echo.stop().await;
    echo::start(spec).await.unwrap();
}

/// The echo workload stands in for the sidecar: it takes a proxy's requests as its own.
#[tokio::test]
async fn a_call_counts_answers() {
    let (echo, address) = start(Protocol::Auto).await;
    let mut call = Call {
        from: Entry {
            identity: identity("v1"),
            pod_address: address.ip(),
            application: address.ip(),
            ports: Vec::new(),
            http_proxy: address,
            admin: SocketAddr::new(address.ip(), HTTP_PROXY_PORT),
            sidecar: SidecarState::Ready,
            spiffe_id: None,
            ready: true,
            error: None,
            requests: 0,
        },
        target: "http://ratings:9080/x".parse().unwrap(),
        count: 20,
        concurrency: 3,
        method: Method::GET,
        headers: HeaderMap::new(),
        http2: false,
        timeout: std::time::Duration::from_secs(5),
    };
    let done = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    for http2 in [false, true] {
        call.http2 = http2;
        let count = done.clone();
        let report = call::run(&call, move || {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        })
        .await;
        assert_eq!((report.requests, report.codes.len(), report.errors.len()), (20, 1, 0), "{report:?}");
        assert_eq!((report.codes[0].code.as_str(), report.codes[0].count), ("200", 20));
        assert_eq!((report.answered_by[0].version.as_str(), report.answered_by[0].count), ("v1", 20));
    }
    assert_eq!(done.load(std::sync::atomic::Ordering::Relaxed), 40);
    assert_eq!(echo.requests(), 40);

    call.target = format!("tcp://mongo:{}", address.port()).parse().unwrap();
    let report = call::run(&call, || {}).await;
    assert_eq!((report.codes[0].code.as_str(), report.codes[0].count), ("TCP", 20), "{report:?}");

    echo.stop().await;
    let report = call::run(&call, || {}).await;
    assert_eq!((report.errors[0].count, report.latency), (20, None), "{report:?}");
}
