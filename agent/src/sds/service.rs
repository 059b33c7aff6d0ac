//! The gRPC service: streams that tell what is new.
//!
//! In: requests of Envoy, the identity as it changes, and files. Out: responses, one at a time. What is sent is the [`Session`]'s business.

use std::{
    convert::Infallible,
    future::Future,
    marker::PhantomData,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt as _, stream};
use mesh_pki::TrustBundle;
use mesh_proto::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    server::{Grpc, NamedService, StreamingService},
};
use tonic_prost::ProstCodec;

use super::{
    file_watch::{FileWatch, changed},
    revocations::RevocationFile,
    secrets::Now,
    session::{Delta, Form, Session, StateOfTheWorld},
};
use crate::Identity;

/// Requests are a few names.
const MAX_REQUEST: usize = 64 * 1024;

type Answers<F> = Pin<Box<dyn Stream<Item = Result<<F as Form>::Response, Status>> + Send>>;
type Answering<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The service.
#[derive(Clone)]
pub(super) struct Secrets {
    pub(super) identity: watch::Receiver<Option<Identity>>,
    pub(super) files: Arc<Files>,
    pub(super) end: CancellationToken,
}

/// What all streams know of files.
#[derive(Debug)]
pub(super) struct Files {
    revocations: RevocationFile,
    /// Roots besides those of the identity.
    roots: Option<TrustBundle>,
    watch: FileWatch,
}

impl Files {
    /// `revocations` is where the mesh's lists would be.
    pub(super) fn new(revocations: Option<PathBuf>, roots: Option<TrustBundle>) -> Self {
        Self { revocations: RevocationFile::new(revocations), roots, watch: FileWatch::default() }
    }

    /// The identity as Envoy is to have it.
    fn told(&self, identity: Identity) -> Now {
        let identity = match &self.roots {
            Some(roots) => Identity { trusted: identity.trusted.with(roots), ..identity },
            None => identity,
        };
        // What is revoked is looked at by all that is trusted.
        Now { revoked: self.revocations.read(&identity), identity }
    }
}

impl NamedService for Secrets {
    const NAME: &'static str = "envoy.service.secret.v3.SecretDiscoveryService";
}

impl tower::Service<http::Request<Body>> for Secrets {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Answering<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let secrets = self.clone();
        Box::pin(async move {
            let method = request.uri().path().rsplit('/').next().unwrap_or_default();
            Ok(match method {
                "StreamSecrets" => {
                    let codec = ProstCodec::<DiscoveryResponse, DiscoveryRequest>::default();
                    let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_REQUEST);
                    grpc.streaming(Streams::<StateOfTheWorld>::new(secrets), request).await
                }
                "DeltaSecrets" => {
                    let codec = ProstCodec::<DeltaDiscoveryResponse, DeltaDiscoveryRequest>::default();
                    let mut grpc = Grpc::new(codec).max_decoding_message_size(MAX_REQUEST);
                    grpc.streaming(Streams::<Delta>::new(secrets), request).await
                }
                _ => Status::unimplemented("secrets are told in streams only").into_http(),
            })
        })
    }
}

struct Streams<F> {
    secrets: Secrets,
    form: PhantomData<F>,
}

impl<F> Streams<F> {
    fn new(secrets: Secrets) -> Self {
        Self { secrets, form: PhantomData }
    }
}

impl<F: Form> StreamingService<F::Request> for Streams<F> {
    type Response = F::Response;
    type ResponseStream = Answers<F>;
    type Future = Answering<Result<Response<Answers<F>>, Status>>;

    fn call(&mut self, request: Request<Streaming<F::Request>>) -> Self::Future {
        let Secrets { identity, files, end } = self.secrets.clone();
        let (requests, word) = (request.into_inner(), files.watch.word());
        let stream: Talk<F> = Talk { requests, identity, files, word, session: Session::default() };
        let answers = stream::unfold(stream, |mut stream| async move {
            let answer = stream.next().await?;
            Some((Ok(answer), stream))
        });
        let answers: Answers<F> = Box::pin(answers.take_until(end.cancelled_owned()));
        Box::pin(async move { Ok(Response::new(answers)) })
    }
}

/// One stream.
struct Talk<F: Form> {
    requests: Streaming<F::Request>,
    identity: watch::Receiver<Option<Identity>>,
    files: Arc<Files>,
    /// That files may have changed.
    word: watch::Receiver<()>,
    session: Session,
}

impl<F: Form> Talk<F> {
    /// Waits for what is to be said; `None` when the stream or the workload has ended.
    async fn next(&mut self) -> Option<F::Response> {
        loop {
            let Files { revocations, roots: _, watch } = &*self.files;
            let files = self.session.files(revocations.path());
            // Before they are read: what happens from now on is told.
            self.word.mark_unchanged();
            let followed = watch.follow(&files);
            let identity = self.identity.borrow_and_update().clone();
            let now = identity.map(|identity| self.files.told(identity));
            if let Some(answer) = now.and_then(|now| F::answer(&mut self.session, &now)) {
                return Some(answer);
            }
            tokio::select! {
                () = changed(&mut self.word, followed), if !files.is_empty() => {}
                request = self.requests.message() => match request {
                    Ok(Some(request)) => F::hear(&mut self.session, request),
                    Ok(None) => return None,
                    Err(status) => {
                        tracing::debug!(%status, "a stream of secrets ended");
                        return None;
                    }
                },
                changed = self.identity.changed() => changed.ok()?,
            }
        }
    }
}
