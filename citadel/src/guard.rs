//! What stands between strangers and a unary gRPC service: calls end in time, and what is too large is refused with gRPC's usual code.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{Request, Response};
use tonic::{Code, Status, body::Body, server::NamedService};
use tower::Service;

/// How long a call may take, the arrival of its message included: whoever sends a byte a second is not waited for.
const WITHIN: Duration = Duration::from_secs(15);

/// A guarded service.
#[derive(Clone)]
pub(crate) struct Guarded<S> {
    inner: S,
}

impl<S> Guarded<S> {
    /// Guards `inner`.
    pub(crate) fn new(inner: S) -> Self {
        Self { inner }
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
        let answer = self.inner.call(request);
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
                _ => Ok(answer),
            }
        })
    }
}
