//! One stream at work: requests and snapshots are fed to the state machine, its responses go to the body.
//!
//! There is no task and no queue of its own. The body asks for the next response when the last one is written, so a slow client slows
//! only itself, and newer snapshots coalesce while one is on the wire.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt, TryStreamExt, stream};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tonic::Status;

use crate::metrics::Metrics;
use crate::requests::Requests;
use crate::resource::Protocol;
use crate::snapshot::Snapshot;
use crate::source::{Attachment, Refusal, Source};
use crate::stream::{Received, Response, Shared, StreamState};
use crate::sync::{SyncEntry, SyncTable};
use crate::wire::{DeltaDiscoveryRequest, DiscoveryRequest, Node};

/// Requests taken in before the next look at what to send.
const BURST: usize = 64;

/// A request of either protocol.
pub(crate) trait Request: prost::Message + Default + Send + 'static {
    const PROTOCOL: Protocol;
    fn take_node(&mut self) -> Option<Node>;
    fn apply(self, state: &mut StreamState) -> Received;
}

impl Request for DeltaDiscoveryRequest {
    const PROTOCOL: Protocol = Protocol::Delta;

    fn take_node(&mut self) -> Option<Node> {
        self.node.take()
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

    fn apply(self, state: &mut StreamState) -> Received {
        state.on_sotw_request(self)
    }
}

/// Limits of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// How long routes wait for a client to ask for the endpoints of a new cluster.
    pub(crate) warming_patience: Duration,
    /// How many names one stream may subscribe to.
    pub(crate) max_names: usize,
}

/// All that is needed to open a stream.
pub(crate) struct Opening<S, R> {
    pub(crate) source: Arc<S>,
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
    pub(crate) fn responses(self) -> impl Stream<Item = Result<Response, Status>> + Send {
        stream::once(self.open()).map_ok(Session::responses).try_flatten()
    }

    async fn open(self) -> Result<Box<Session<R>>, Status> {
        let Self { source, mut requests, shared, metrics, table, limits, end, permit } = self;
        let Some(first) = requests.next().await else {
            return Err(Status::cancelled("the stream ended before its first request"));
        };
        let mut first = first?;
        let node = first.take_node().unwrap_or_default();
        if node.id.is_empty() {
            return Err(Status::invalid_argument("the first request must carry a node with an id"));
        }
        let attached = source.attach(&node, R::PROTOCOL).await;
        let Attachment { proxy_name, class, resolver, guard } = attached.map_err(|refusal| {
            metrics.stream_refused();
            let message = refusal.to_string();
            match refusal {
                Refusal::Invalid(_) => Status::invalid_argument(message),
                Refusal::Denied(_) => Status::permission_denied(message),
                Refusal::Unavailable(_) => Status::unavailable(message),
            }
        })?;
        tracing::debug!(proxy = %proxy_name, node = %node.id, protocol = ?R::PROTOCOL, "proxy connected");
        let state = StreamState::new(R::PROTOCOL, proxy_name.clone(), resolver, shared);
        let sync = table.connect(proxy_name.clone(), node.id.into(), R::PROTOCOL);
        metrics.stream_opened();
        let mut session = Box::new(Session {
            requests,
            state,
            class,
            sync,
            limits,
            end,
            proxy: proxy_name,
            waiting_until: None,
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

struct Session<R> {
    requests: Requests<R>,
    state: StreamState,
    class: watch::Receiver<Arc<Snapshot>>,
    sync: SyncEntry,
    limits: Limits,
    end: CancellationToken,
    proxy: Arc<str>,
    /// When to stop waiting for clusters to warm.
    waiting_until: Option<Instant>,
    metrics: Opened,
    _guard: Box<dyn std::any::Any + Send>,
    _permit: OwnedSemaphorePermit,
}

impl<R: Request> Session<R> {
    fn responses(self: Box<Self>) -> impl Stream<Item = Result<Response, Status>> + Send {
        stream::try_unfold(self, |mut session| async move {
            let response = session.next().await?;
            Ok(response.map(|response| (response, session)))
        })
    }

    /// The next response, or `None` when the stream is over.
    async fn next(&mut self) -> Result<Option<Response>, Status> {
        loop {
            // Requests first: what a client says in one breath is answered as a whole.
            for _ in 0..BURST {
                match self.requests.next().now_or_never() {
                    None => break,
                    Some(None) => return Ok(None),
                    Some(Some(request)) => self.receive(request?)?,
                }
            }
            let newest = self.class.borrow_and_update().clone();
            if let Some(response) = self.state.next(&newest) {
                let Response { kind, nonce, version, batch, removed: _ } = &response;
                self.metrics.0.pushed(*kind, batch.len());
                self.sync.sent(*kind, *nonce, *version);
                return Ok(Some(response));
            }
            if self.state.has(&newest) && self.sync.reached(newest.sequence) {
                self.metrics.0.converged(newest.since.elapsed());
            }
            self.set_patience();
            let patience = self.waiting_until;
            tokio::select! {
                biased;
                request = self.requests.next() => match request {
                    Some(request) => self.receive(request?)?,
                    None => return Ok(None),
                },
                changed = self.class.changed() => if changed.is_err() {
                    return Err(Status::unavailable("the configuration of this proxy is no longer served here"));
                },
                () = self.end.cancelled() => return Ok(None),
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {
                    tracing::debug!(proxy = %self.proxy, "no endpoints asked for in time: sending routes all the same");
                    self.state.stop_waiting();
                    self.metrics.0.gave_up_waiting();
                },
            }
        }
    }

    fn set_patience(&mut self) {
        if !self.state.is_waiting() {
            self.waiting_until = None;
        } else if self.waiting_until.is_none() {
            self.waiting_until = Some(Instant::now() + self.limits.warming_patience);
        }
    }

    fn receive(&mut self, request: R) -> Result<(), Status> {
        let received = request.apply(&mut self.state);
        let Received { kind, acknowledged: _, stale, rejected, quarantined } = received;
        if stale {
            self.metrics.0.stale_request();
        }
        let Some(kind) = kind else { return Ok(()) };
        if let Some(message) = &rejected {
            self.metrics.0.rejected(kind);
            let resources: Vec<_> = quarantined.iter().map(|resource| &**resource.name()).collect();
            tracing::warn!(proxy = %self.proxy, kind = kind.label(), ?resources, message, "rejected");
        }
        self.sync.received(kind, self.state.nonces(kind), rejected.is_some());
        if self.state.subscribed_names() > self.limits.max_names {
            let limit = self.limits.max_names;
            let message = format!("a stream may subscribe to at most {limit} names");
            return Err(Status::resource_exhausted(message));
        }
        Ok(())
    }
}
