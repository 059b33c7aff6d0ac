//! Who is told of requests: takes what collectors of Zipkin, OTLP, Datadog and SkyWalking take, and keeps it as text.

use anyhow::{Context, Result};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response, StatusCode, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use mesh_testkit::ports::Loopback;
use std::{
    fmt::Write,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

/// Where HTTP/1.1 is spoken, where gRPC is, and where nothing is answered.
const PORTS: [u16; 3] = [9411, 4317, 9412];
/// Where an agent of Datadog takes spans; it answers with rates.
const DATADOG: &str = "/v0.4/traces";

/// Listens for as long as the runtime lives.
pub struct Collector {
    loopback: Loopback,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    /// Heads and bodies, one for each request; those of streams grow.
    requests: Mutex<Vec<String>>,
    /// How soon those have hung up who were not answered.
    patience: Mutex<Vec<Duration>>,
}

impl Collector {
    /// On an address of its own.
    pub async fn start() -> Result<Self> {
        let loopback = Loopback::claim().context("claim a loopback address")?;
        let told = Arc::<Told>::default();
        let [http, grpc, silent] = PORTS;
        for port in [http, grpc] {
            let listener = TcpListener::bind((loopback.ip(), port)).await?;
            tokio::spawn(serve(listener, told.clone()));
        }
        let listener = TcpListener::bind((loopback.ip(), silent)).await?;
        tokio::spawn(keep_waiting(listener, told.clone()));
        Ok(Self { loopback, told })
    }

    pub fn ip(&self) -> IpAddr {
        self.loopback.ip()
    }

    /// The ServiceEntry `collector.example.com`.
    pub fn service_entry(&self) -> String {
        let [http, grpc, silent] = PORTS;
        format!(
            "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {{name: collector, namespace: set}}\n\
             spec:\n  hosts: [collector.example.com]\n  resolution: STATIC\n  location: MESH_EXTERNAL\n  ports:\n\
             \x20 - {{number: {http}, name: http, protocol: HTTP}}\n\
             \x20 - {{number: {grpc}, name: grpc, protocol: GRPC}}\n\
             \x20 - {{number: {silent}, name: http-silent, protocol: HTTP}}\n\
             \x20 endpoints: [{{address: {}}}]\n",
            self.ip()
        )
    }

    /// What has been told, a text for each request: `POST <path>`, a line for each header, and the body.
    pub fn told(&self) -> Vec<String> {
        self.told.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets all that.
    pub fn forget(&self) {
        // Streams go on, in texts that nobody looks at any more.
        self.told.requests.lock().unwrap_or_else(PoisonError::into_inner).iter_mut().for_each(String::clear);
    }

    /// How soon somebody has hung up who was not answered.
    pub fn patience(&self) -> Option<Duration> {
        self.told.patience.lock().unwrap_or_else(PoisonError::into_inner).iter().min().copied()
    }
}

impl Told {
    /// A new text, by its index.
    fn begin(&self, text: String) -> usize {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(text);
        requests.len() - 1
    }

    fn go_on(&self, index: usize, data: &[u8]) {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(text) = requests.get_mut(index) {
            text.push_str(&String::from_utf8_lossy(data));
        }
    }
}

async fn serve(listener: TcpListener, told: Arc<Told>) {
    while let Ok((stream, _)) = listener.accept().await {
        let told = told.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| take(request, told.clone()));
            // Proxies come and go.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn take(request: Request<Incoming>, told: Arc<Told>) -> Result<Response<Full<Bytes>>> {
    let (head, mut body) = request.into_parts();
    let mut text = format!("{} {} \n", head.method, head.uri.path());
    for (name, value) in &head.headers {
        writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()))?;
    }
    let index = told.begin(text);
    while let Some(frame) = body.frame().await {
        if let Some(data) = frame?.data_ref() {
            told.go_on(index, data);
        }
    }
    let answer = Response::builder();
    let answer = match head.headers.get("content-type") {
        Some(kind) if kind.as_bytes().starts_with(b"application/grpc") => {
            answer.header("content-type", "application/grpc").header("grpc-status", "0").body(Full::default())
        }
        _ if head.uri.path() == DATADOG => answer.body(Full::from("{}")),
        _ => answer.status(StatusCode::ACCEPTED).body(Full::default()),
    };
    Ok(answer?)
}

async fn keep_waiting(listener: TcpListener, told: Arc<Told>) {
    async fn wait(mut stream: TcpStream, told: Arc<Told>) {
        let mut buffer = vec![0; 4096];
        // From the first bytes on: connections may be made ahead.
        if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
            return;
        }
        let since = Instant::now();
        while let Ok(1..) = stream.read(&mut buffer).await {}
        told.patience.lock().unwrap_or_else(PoisonError::into_inner).push(since.elapsed());
    }
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(wait(stream, told.clone()));
    }
}
