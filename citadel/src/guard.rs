//! What stands between strangers and a unary gRPC service: calls end in time, and what is too large is refused with gRPC's usual code.
//!
//! In: requests as they arrive. Out: the service's answers, and how long it takes to encode them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;

use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::{Frame, SizeHint};
use tonic::{Code, Status, body::Body, server::NamedService};
use tower::Service;

use crate::metrics::{Metrics, Step};

/// How long a call may take, the arrival of its message included: whoever sends a byte a second is not waited for.
const WITHIN: Duration = Duration::from_secs(15);

/// A guarded service.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
    metrics: Metrics,
}

impl<S> Guarded<S> {
    /// Guards `inner`.
    pub(crate) fn new(inner: S, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }
}

impl<S: NamedService> NamedService for Guarded<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Guarded<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Send + 'static,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let (answer, metrics) = (self.inner.call(request), self.metrics.clone());
        Box::pin(async move {
            let Ok(answer) = tokio::time::timeout(WITHIN, answer).await else {
                return Ok(Status::deadline_exceeded("the call took too long").into_http());
            };
            let answer = answer?;
            // tonic says OutOfRange of a message that is too large; other implementations say ResourceExhausted, and clients know that.
            let status = Status::from_header_map(answer.headers());
            match status {
                Some(status) if status.code() == Code::OutOfRange => {
                    Ok(Status::resource_exhausted(status.message()).into_http())
                }
                Some(_) => Ok(answer),
                None => Ok(answer.map(|inner| Body::new(Encoding { inner, metrics: Some(metrics) }))),
            }
        })
    }
}

/// A message that is encoded when it is first asked for.
struct Encoding {
    inner: Body,
    /// Until it is encoded.
    metrics: Option<Metrics>,
}

impl http_body::Body for Encoding {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let since = Instant::now();
        let polled = Pin::new(&mut self.inner).poll_frame(context);
        if polled.is_ready()
            && let Some(metrics) = self.metrics.take()
        {
            metrics.took(Step::encode, since);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
