//! Certificates by an authority elsewhere that speaks Istio's `CreateCertificate`.
//!
//! In: orders. Out: its answers, checked. This side has authenticated the caller and vouches for it: the request that is handed on names its
//! identity and nothing else, and the answer must be for that identity. The connection is TLS with given roots; a call is bounded in time,
//! its answer in size.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use mesh_pki::{Credential, Error, TrustBundle, tls};
use mesh_proto::istio::v1::auth::{
    IstioCertificateRequest, IstioCertificateResponse,
    istio_certificate_service_client::IstioCertificateServiceClient,
};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::{Channel, Endpoint},
};

use super::{Issue, IssueError, Issued, Order, elsewhere};
use crate::Authority;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(10);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// An authority elsewhere.
#[derive(Clone)]
pub struct AuthorityElsewhere {
    /// `host:port`. Its certificate must be for that host.
    pub address: String,
    /// What its own certificate, and those that it makes, chain to.
    pub roots: TrustBundle,
    /// A certificate that proves who we are.
    pub credential: Option<Credential>,
    /// A file with a token that does; read again for every call.
    pub token: Option<PathBuf>,
}

/// An address that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Its form.
    #[error("`{0}` is not of the form host:port")]
    Form(String),
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] Error),
}

/// Asks it.
pub(crate) struct GrpcSigner {
    client: IstioCertificateServiceClient<Channel>,
    token: Option<PathBuf>,
    /// Knows the roots.
    authority: Authority,
}

impl GrpcSigner {
    /// Connects when it is first asked, and again when the connection is lost.
    pub(crate) fn new(elsewhere: AuthorityElsewhere, authority: Authority) -> Result<Self, AddressError> {
        let AuthorityElsewhere { address, roots, credential, token } = elsewhere;
        let form = || AddressError::Form(address.clone());
        let (host, port) = address.rsplit_once(':').ok_or_else(form)?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let port: u16 = port.parse().map_err(|_| form())?;
        let name = ServerName::try_from(host.clone()).map_err(|_| form())?;
        let connector = tokio_rustls::TlsConnector::from(Arc::new(tls::client(&roots, credential.as_ref())?));
        let connect = tower::service_fn(move |_| {
            let (connector, name, host) = (connector.clone(), name.clone(), host.clone());
            async move {
                let socket = TcpStream::connect((host.as_str(), port)).await?;
                socket.set_nodelay(true)?;
                std::io::Result::Ok(TokioIo::new(connector.connect(name, socket).await?))
            }
        });
        let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|_| form())?;
        let endpoint = endpoint.connect_timeout(CONNECT_WITHIN).timeout(PATIENCE);
        let endpoint =
            endpoint.http2_keep_alive_interval(Duration::from_secs(30)).keep_alive_while_idle(false);
        let client = IstioCertificateServiceClient::new(endpoint.connect_with_connector_lazy(connect))
            .max_decoding_message_size(elsewhere::MAX_ANSWER);
        Ok(Self { client, token, authority })
    }

    async fn ask(&self, order: Order) -> Result<Issued, IssueError> {
        elsewhere::admit(&order)?;
        let message = IstioCertificateRequest {
            csr: order.request_pem.clone(),
            validity_duration: i64::try_from(order.lifetime.as_secs()).unwrap_or(i64::MAX),
            // An authority that takes identities from its callers is told for whom this one asks; one that reads the request sees it there.
            metadata: Some(mesh_proto::string_struct([(
                "ImpersonatedIdentity",
                order.identity.to_string().as_str(),
            )])),
            ..IstioCertificateRequest::default()
        };
        let mut request = Request::new(message);
        if let Some(path) = &self.token {
            let bearer = bearer(path).await?;
            request.metadata_mut().insert("authorization", bearer);
        }
        let answer = self.client.clone().create_certificate(request).await;
        let IstioCertificateResponse { cert_chain } = answer.map_err(|status| refused(&status))?.into_inner();
        let answer = cert_chain.join("\n");
        elsewhere::accept(&answer, &order, &self.authority.current(), SystemTime::now())
    }
}

impl Issue for GrpcSigner {
    fn issue(&self, order: Order) -> BoxFuture<'_, Result<Issued, IssueError>> {
        Box::pin(async move {
            let late = |_| IssueError::Unavailable("the authority elsewhere takes too long".to_owned());
            tokio::time::timeout(PATIENCE, self.ask(order)).await.map_err(late)?
        })
    }
}

async fn bearer(path: &std::path::Path) -> Result<MetadataValue<Ascii>, IssueError> {
    let unreadable = |error: &dyn std::fmt::Display| {
        IssueError::Unavailable(format!("the token in {}: {error}", path.display()))
    };
    let token = tokio::fs::read_to_string(path).await.map_err(|error| unreadable(&error))?;
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {}", token.trim()).parse().map_err(|_| unreadable(&"it is no token"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// What became of a call is told to the caller as its own fault only if its request was at fault: its own proof was good.
fn refused(status: &Status) -> IssueError {
    let why = format!("the authority elsewhere: {:?}: {}", status.code(), status.message());
    match status.code() {
        Code::InvalidArgument => IssueError::Request(why),
        Code::Unavailable | Code::DeadlineExceeded | Code::ResourceExhausted | Code::Cancelled => {
            IssueError::Unavailable(why)
        }
        _ => IssueError::Internal(why),
    }
}
