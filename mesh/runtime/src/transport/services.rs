//! What is served on a port: gRPC services by their names, and long streams by as few hands as can be.
//!
//! In: requests. Out: responses. A router puts the bodies of requests and responses into boxes of its own, which are opened for each message: of
//! a stream that lives for hours and has thousands of neighbours, that is a good part of what a message costs.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;

use futures::future::{BoxFuture, Either};
use http::{Request, Response};
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceExt as _};

/// The services of a port.
#[derive(Clone, Debug, Default)]
pub struct Services {
    routes: Routes,
    streams: Option<Streams>,
}

/// The service that is not asked by way of the router.
#[derive(Clone, Debug)]
struct Streams {
    /// How the paths of its methods begin.
    prefix: Arc<str>,
    service: BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
}

impl From<Routes> for Services {
    fn from(routes: Routes) -> Self {
        Self { routes, streams: None }
    }
}

impl Services {
    /// Serves the streams of `service`, too. There is one such service at most: the last.
    pub fn with_streams<S>(self, service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        let prefix = format!("/{}/", S::NAME).into();
        Self { streams: Some(Streams { prefix, service: BoxCloneSyncService::new(service) }), ..self }
    }

    /// Asks the service that the request names.
    pub(super) fn call(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + use<> {
        let streams =
            self.streams.as_ref().filter(|streams| request.uri().path().starts_with(&*streams.prefix));
        match streams {
            Some(Streams { prefix: _, service }) => {
                let answer: BoxFuture<'static, _> = Box::pin(service.clone().oneshot(request.map(Body::new)));
                Either::Left(answer)
            }
            None => Either::Right(self.routes.clone().call(request)),
        }
    }
}
