//! One stream at work: requests and snapshots are fed to the state machine, its responses go to the body.
//!
//! There is no task and no queue of its own. The body asks for the next response when the last one is written, so a slow client slows
//! only itself, and newer snapshots coalesce while one is on the wire.
//!
//! Thousands of streams are woken by one edit, and what each touches is not in the processor's cache: this is polled by hand, so that a
//! wake looks once at the requests and at nothing else that did not fire.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{Stream, StreamExt};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::latest::Receiver;
use crate::metrics::{Begun, Metrics};
use crate::requests::Requests;
use crate::resource::Protocol;
use crate::source::{Admission, Attachment, Health, Refusal, Source};
use crate::stream::{Received, Response, Shared, StreamState};
use crate::sync::{SyncEntry, SyncTable};
use crate::wire::{self, DeltaDiscoveryRequest, DiscoveryRequest, Node};

/// Requests taken in before the next look at what to send.
const BURST: usize = 64;

/// The type of requests in which an agent says how its workload is: Istio's. Nothing is answered.
const HEALTH: &str = "type.googleapis.com/istio.v1.HealthInformation";

/// Without an error all is well.
fn said(error: Option<wire::Status>) -> Result<(), String> {
    error.map_or(Ok(()), |error| Err(error.message))
}

/// A request of either protocol.
pub(crate) trait Request: prost::Message + Default + Send + 'static {
    const PROTOCOL: Protocol;
    fn take_node(&mut self) -> Option<Node>;
    /// Whether it names anything that the client asks for.
    fn has_names(&self) -> bool;
    /// What it says of the workload's health, if that is what it is about.
    fn health(&mut self) -> Option<Result<(), String>>;
    fn apply(self, state: &mut StreamState) -> Received;
}

impl Request for DeltaDiscoveryRequest {
    const PROTOCOL: Protocol = Protocol::Delta;

    fn take_node(&mut self) -> Option<Node> {
        self.node.take()
    }

    fn has_names(&self) -> bool {
        !self.resource_names_subscribe.is_empty()
    }

    fn health(&mut self) -> Option<Result<(), String>> {
        (self.type_url == HEALTH).then(|| said(self.error_detail.take()))
    }

    fn apply(self, state: &mut StreamState) -> Received {
        state.on_delta_request(self)
    }
}

impl Request for DiscoveryRequest {
    const PROTOCOL: Protocol = Protocol::Sotw;

    fn take_node(&mut self) -> Option<Node> {
        self.node.take()
    }

    fn has_names(&self) -> bool {
        !self.resource_names.is_empty()
    }

    fn health(&mut self) -> Option<Result<(), String>> {
        (self.type_url == HEALTH).then(|| said(self.error_detail.take()))
    }

    fn apply(self, state: &mut StreamState) -> Received {
        state.on_sotw_request(self)
    }
}

/// Limits of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// How long routes wait for a client to ask for the endpoints of a new cluster.
    pub(crate) warming_patience: Duration,
    /// How long connections go on that are older than their listener.
    pub(crate) drain_time: Duration,
    /// How many names one stream may subscribe to.
    pub(crate) max_names: usize,
}

/// All that is needed to open a stream.
pub(crate) struct Opening<S, R> {
    pub(crate) source: Arc<S>,
    pub(crate) admission: Option<Admission>,
    pub(crate) requests: Requests<R>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) table: Arc<SyncTable>,
    pub(crate) limits: Limits,
    pub(crate) end: CancellationToken,
    pub(crate) permit: OwnedSemaphorePermit,
}

impl<S: Source, R: Request> Opening<S, R> {
    /// The responses of the stream.
    pub(crate) fn responses(self) -> Responses<R> {
        Responses::Opening(Box::pin(self.open()))
    }

    async fn open(self) -> Result<Box<Session<R>>, Status> {
        let Self { source, admission, mut requests, shared, metrics, table, limits, end, permit } = self;
        let Some(first) = requests.next().await else {
            return Err(Status::cancelled("the stream ended before its first request"));
        };
        let mut first = first?;
        let node = first.take_node().unwrap_or_default();
        if node.id.is_empty() {
            return Err(Status::invalid_argument("the first request must carry a node with an id"));
        }
        let refused = |refusal: Refusal| {
            metrics.stream_refused();
            let message = refusal.to_string();
            match refusal {
                Refusal::Invalid(_) => Status::invalid_argument(message),
                Refusal::Denied(_) => Status::permission_denied(message),
                Refusal::Unavailable(_) => Status::unavailable(message),
            }
        };
        let proven = admission.map(|Admission(admit)| admit(&node)).transpose().map_err(refused)?;
        let attached = source.attach(&node, R::PROTOCOL, proven.as_ref()).await;
        let Attachment { proxy_name, class, resolver, health, guard } = attached.map_err(refused)?;
        tracing::debug!(proxy = %proxy_name, node = %node.id, protocol = ?R::PROTOCOL, "proxy connected");
        let state = StreamState::new(R::PROTOCOL, proxy_name.clone(), resolver, shared);
        let sync = table.connect(proxy_name.clone(), node.id.into(), R::PROTOCOL);
        metrics.stream_opened();
        let taken = class.current().sequence;
        let mut session = Box::new(Session {
            requests,
            state,
            class,
            taken,
            end: [ended(end)].into_iter().collect(),
            sync,
            limits,
            proxy: proxy_name,
            patience: None,
            drain: None,
            health,
            metrics: Opened(metrics),
            _guard: guard,
            _permit: permit,
        });
        session.receive(first)?;
        Ok(session)
    }
}

/// Counts the stream as closed when it goes.
struct Opened(Arc<Metrics>);

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.stream_closed();
    }
}

/// The responses of a stream that is opened first.
pub(crate) enum Responses<R> {
    Opening(BoxFuture<'static, Result<Box<Session<R>>, Status>>),
    Open(Box<Session<R>>),
    Ended,
}

impl<R: Request> Stream for Responses<R> {
    type Item = Result<(Response, Begun), Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let last = match &mut *self {
                Self::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(session) => {
                        *self = Self::Open(session);
                        continue;
                    }
                    Err(status) => Some(Err(status)),
                },
                Self::Open(session) => match ready!(session.poll_response(cx)) {
                    Ok(Some(response)) => return Poll::Ready(Some(Ok(response))),
                    Ok(None) => None,
                    Err(status) => Some(Err(status)),
                },
                Self::Ended => None,
            };
            *self = Self::Ended;
            return Poll::Ready(last);
        }
    }
}

fn ended(end: CancellationToken) -> BoxFuture<'static, ()> {
    Box::pin(end.cancelled_owned())
}

pub(crate) struct Session<R> {
    requests: Requests<R>,
    state: StreamState,
    class: Receiver,
    /// Sequence number of the newest snapshot that it got to.
    taken: u64,
    /// When the connection is asked to go. Among many, although it is one: such a one is polled only when it fired.
    end: FuturesUnordered<BoxFuture<'static, ()>>,
    sync: SyncEntry,
    limits: Limits,
    proxy: Arc<str>,
    /// Until when clusters may warm, if any do.
    patience: Option<Pin<Box<Sleep>>>,
    /// The next tick, if clusters wait for connections to end.
    drain: Option<Pin<Box<Sleep>>>,
    health: Option<Arc<dyn Health>>,
    metrics: Opened,
    _guard: Box<dyn std::any::Any + Send>,
    _permit: OwnedSemaphorePermit,
}

impl<R: Request> Session<R> {
    /// The next response, or `None` when the stream is over.
    fn poll_response(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<(Response, Begun)>, Status>> {
        loop {
            // Requests first: what a client says in one breath is answered as a whole.
            let mut silent = false;
            for _ in 0..BURST {
                match self.requests.poll_next_unpin(cx) {
                    Poll::Ready(Some(request)) => self.receive(request?)?,
                    Poll::Ready(None) => return Poll::Ready(Ok(None)),
                    Poll::Pending => {
                        silent = true;
                        break;
                    }
                }
            }
            if self.end.poll_next_unpin(cx).is_ready() {
                return Poll::Ready(Ok(None));
            }
            let Some(newest) = self.class.newest(cx) else {
                let message = "the configuration of this proxy is no longer served here";
                return Poll::Ready(Err(Status::unavailable(message)));
            };
            let begun = Instant::now();
            if newest.sequence > self.taken {
                self.taken = newest.sequence;
                self.metrics.0.queued(begun.saturating_duration_since(newest.made));
            }
            if let Some(response) = self.state.next(&newest) {
                let Response { kind, nonce, version, batch, removed: _ } = &response;
                self.metrics.0.pushed(*kind, batch.len());
                self.sync.sent(*kind, *nonce, *version);
                return Poll::Ready(Ok(Some((response, Begun { begun, made: Instant::now() }))));
            }
            if self.state.has(&newest) && self.sync.reached(newest.sequence) {
                self.metrics.0.converged(newest.since.elapsed());
            }
            let (patient, draining) = (self.has_patience(cx), self.is_draining(cx));
            if patient && draining && silent {
                return Poll::Pending;
            }
        }
    }

    /// Whether waiting goes on; if not, there may be something to send now.
    fn has_patience(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.state.is_waiting() {
            self.patience = None;
            return true;
        }
        let wait = self.limits.warming_patience;
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(wait)));
        if patience.as_mut().poll(cx).is_pending() {
            return true;
        }
        tracing::debug!(proxy = %self.proxy, "no endpoints asked for in time: sending routes all the same");
        self.patience = None;
        self.state.stop_waiting();
        self.metrics.0.gave_up_waiting();
        false
    }

    /// Whether what waits for connections to end goes on waiting; if not, there may be something to remove now.
    fn is_draining(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.state.is_draining() {
            self.drain = None;
            return true;
        }
        let time = self.limits.drain_time;
        let tick = self.drain.get_or_insert_with(|| Box::pin(sleep(time)));
        if tick.as_mut().poll(cx).is_pending() {
            return true;
        }
        self.drain = None;
        self.state.drain_time_passed();
        false
    }

    fn receive(&mut self, mut request: R) -> Result<(), Status> {
        if let Some(well) = request.health() {
            if let Some(health) = &self.health {
                health.hear(well);
            }
            return Ok(());
        }
        let names = request.has_names();
        let received = request.apply(&mut self.state);
        let Received { kind, acknowledged: _, stale, rejected, quarantined } = received;
        let Some(kind) = kind else { return Ok(()) };
        if stale {
            self.metrics.0.stale_request(kind);
        }
        if let Some(message) = &rejected {
            self.metrics.0.rejected(kind);
            let resources: Vec<_> = quarantined.iter().map(|resource| &**resource.name()).collect();
            tracing::warn!(proxy = %self.proxy, kind = kind.label(), ?resources, message, "rejected");
        }
        self.sync.received(kind, self.state.nonces(kind), rejected.is_some());
        if names && self.state.subscribed_names() > self.limits.max_names {
            let limit = self.limits.max_names;
            let message = format!("a stream may subscribe to at most {limit} names");
            return Err(Status::resource_exhausted(message));
        }
        Ok(())
    }
}
