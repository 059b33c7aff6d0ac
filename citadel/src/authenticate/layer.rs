//! The same proof for other services on the port: they get requests whose caller is known, and no others.
//!
//! In: requests. Out: the same with a [`Caller`] among their extensions, and with what whoever wires the port makes of it; or a refusal.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};

use futures::future::BoxFuture;
use http::{Extensions, Request, Response};
use tonic::{Status, body::Body, server::NamedService};
use tower::{Layer, Service};

use super::Authenticator;
use crate::caller::Caller;

type Tell = Arc<dyn Fn(&Caller, &mut Extensions) + Send + Sync>;

/// Wraps services so that they get only requests of known callers.
#[derive(Clone)]
pub struct RequireCaller {
    authenticator: Authenticator,
    tell: Tell,
}

impl RequireCaller {
    /// By `authenticator`; `tell` may put the caller into words that the service knows.
    pub fn new(
        authenticator: Authenticator,
        tell: impl Fn(&Caller, &mut Extensions) + Send + Sync + 'static,
    ) -> Self {
        Self { authenticator, tell: Arc::new(tell) }
    }
}

impl<S> Layer<S> for RequireCaller {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticated { inner, authenticator: self.authenticator.clone(), tell: self.tell.clone() }
    }
}

/// A service that gets only requests of known callers.
#[derive(Clone)]
pub struct Authenticated<S> {
    inner: S,
    authenticator: Authenticator,
    tell: Tell,
}

impl<S: NamedService> NamedService for Authenticated<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Authenticated<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (authenticator, tell) = (self.authenticator.clone(), self.tell.clone());
        let clone = self.inner.clone();
        // The one that is ready, and not its clone.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let known = authenticator.authenticate(request.headers(), request.extensions()).await;
            match known {
                Ok(caller) => {
                    tell(&caller, request.extensions_mut());
                    request.extensions_mut().insert(caller);
                    inner.call(request).await
                }
                Err(refusal) => {
                    tracing::info!(%refusal, "a caller was not authenticated");
                    Ok(Status::from(refusal).into_http())
                }
            }
        })
    }
}
