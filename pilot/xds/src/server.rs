//! The aggregated discovery service: a gRPC service to be mounted on any HTTP/2 server, and a server for it.
//!
//! In: HTTP requests and a `Source`. Out: streams. `transport` owns sockets; this file owns admission and what streams share.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request as HttpRequest, Response as HttpResponse};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::body::Body;
use tonic::server::NamedService;

use crate::batch::Batches;
use crate::body::ResponseBody;
use crate::metrics::Metrics;
use crate::names::Names;
use crate::rejections::Rejections;
use crate::requests::Requests;
use crate::session::{Limits, Opening, Request};
use crate::source::{Admission, Source};
use crate::stream::Shared;
use crate::sync::SyncTable;
use crate::transport::{ConnectionEnd, Partial, Security, Services, TransportConfig, serve_connections};
use crate::unwarmed::Unwarmed;
use crate::wire::{DeltaDiscoveryRequest, DiscoveryRequest};

const SERVICE: &str = "envoy.service.discovery.v3.AggregatedDiscoveryService";

/// How often batches that nobody asked for any more are forgotten.
const SWEEP: Duration = Duration::from_secs(2);

/// Settings of the server.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Sockets and HTTP/2.
    pub transport: TransportConfig,
    /// Streams served at once; more are turned away with `ResourceExhausted`.
    pub max_streams: usize,
    /// Largest request. A reconnecting Envoy names all it has in one.
    pub max_request_bytes: usize,
    /// Names one stream may subscribe to.
    pub max_names: usize,
    /// Bytes of joined first pushes kept while many proxies connect.
    pub joined_bytes: usize,
    /// How long routes wait for a proxy to ask for the endpoints of a new cluster.
    pub warming_patience: Duration,
    /// How the names of clusters begin that listeners themselves name, so that connections which are older than a listener may still go there; empty:
    /// there are none.
    pub drained_prefix: Arc<str>,
    /// How long Envoy lets such connections go on, at most: its `--drain-time-s`, of 10 minutes where it is not told.
    pub drain_time: Duration,
    /// `ControlPlane.identifier` of each response; empty sends none.
    pub identifier: Arc<str>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            transport: TransportConfig::default(),
            max_streams: 20_000,
            max_request_bytes: 4 << 20,
            max_names: 200_000,
            joined_bytes: 32 << 20,
            warming_patience: Duration::from_secs(5),
            drained_prefix: Arc::from(""),
            drain_time: Duration::from_secs(600),
            identifier: Arc::from(""),
        }
    }
}

/// What the server lets others see. Made by the caller, so that it can be read while the server runs.
#[derive(Clone, Debug)]
pub struct Handles {
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Who is connected and how far they are.
    pub sync: Arc<SyncTable>,
    /// What proxies refused.
    pub rejections: Arc<Rejections>,
    /// Streams are turned away with `Unavailable` until this is true.
    pub ready: watch::Receiver<bool>,
}

impl Handles {
    /// Handles of a server that waits for `ready`.
    pub fn new(ready: watch::Receiver<bool>) -> Self {
        Self { metrics: Arc::default(), sync: Arc::default(), rejections: Arc::default(), ready }
    }
}

/// The gRPC service.
pub struct AdsService<S> {
    inner: Arc<Inner<S>>,
}

impl<S> Clone for AdsService<S> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

struct Inner<S> {
    source: Arc<S>,
    shared: Arc<Shared>,
    handles: Handles,
    streams: Arc<Semaphore>,
    limits: Limits,
    max_request_bytes: usize,
    identifier: Arc<str>,
}

impl<S: Source> AdsService<S> {
    /// The service. Must be called within a tokio runtime: it forgets old batches in the background, as long as it exists.
    pub fn new(config: &ServerConfig, source: Arc<S>, handles: Handles) -> Self {
        let ServerConfig {
            transport: _,
            max_streams,
            max_request_bytes,
            max_names,
            joined_bytes,
            warming_patience,
            drained_prefix,
            drain_time,
            identifier,
        } = config;
        let shared = Arc::new(Shared {
            names: Names::default(),
            batches: Batches::new(*joined_bytes),
            rejections: handles.rejections.clone(),
            unwarmed: Unwarmed::default(),
            drained_prefix: drained_prefix.clone(),
        });
        let swept = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(SWEEP);
            loop {
                ticks.tick().await;
                let Some(shared) = swept.upgrade() else { break };
                shared.batches.sweep();
            }
        });
        let limits =
            Limits { warming_patience: *warming_patience, drain_time: *drain_time, max_names: *max_names };
        let inner = Inner {
            source,
            shared,
            handles,
            streams: Arc::new(Semaphore::new(*max_streams)),
            limits,
            max_request_bytes: *max_request_bytes,
            identifier: identifier.clone(),
        };
        Self { inner: Arc::new(inner) }
    }

    fn open<R: Request>(&self, request: HttpRequest<Body>) -> HttpResponse<Body> {
        let inner = &*self.inner;
        let refuse = |status: Status| {
            inner.handles.metrics.stream_refused();
            status.into_http()
        };
        if !*inner.handles.ready.borrow() {
            return refuse(Status::unavailable("the first configuration is not complete yet"));
        }
        let Ok(permit) = inner.streams.clone().try_acquire_owned() else {
            return refuse(Status::resource_exhausted("too many streams: try another replica"));
        };
        let partial = request.extensions().get::<Partial>().cloned().unwrap_or_default();
        let end = request.extensions().get::<ConnectionEnd>().cloned().unwrap_or_default().0;
        let opening = Opening::<S, R> {
            source: inner.source.clone(),
            admission: request.extensions().get::<Admission>().cloned(),
            requests: Requests::new(request.into_body(), inner.max_request_bytes, partial),
            shared: inner.shared.clone(),
            metrics: inner.handles.metrics.clone(),
            table: inner.handles.sync.clone(),
            limits: inner.limits.clone(),
            end,
            permit,
        };
        let (identifier, metrics) = (inner.identifier.clone(), inner.handles.metrics.clone());
        let body = ResponseBody::new(opening.responses(), R::PROTOCOL, identifier, metrics);
        let mut response = HttpResponse::new(Body::new(body));
        let content_type = http::HeaderValue::from_static("application/grpc");
        response.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        response
    }
}

impl<S> NamedService for AdsService<S> {
    const NAME: &'static str = SERVICE;
}

impl<S: Source> tower::Service<HttpRequest<Body>> for AdsService<S> {
    type Response = HttpResponse<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequest<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        ready(Ok(match method {
            "DeltaAggregatedResources" => self.open::<DeltaDiscoveryRequest>(request),
            "StreamAggregatedResources" => self.open::<DiscoveryRequest>(request),
            _ => Status::unimplemented("").into_http(),
        }))
    }
}

/// Serves discovery on a listening socket until `shutdown`; then finishes what is on the wire and closes.
pub async fn serve<S: Source>(
    config: ServerConfig,
    source: Arc<S>,
    handles: Handles,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> std::io::Result<()> {
    let service = AdsService::new(&config, source, handles);
    let services = Services::default().with_streams(service);
    serve_connections(config.transport, Security::Plaintext, services, listener, shutdown).await
}
