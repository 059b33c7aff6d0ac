//! `istio.v1.auth.IstioCertificateService`: the one call that workloads make.
//!
//! In: a certificate request. Out: the certificate, those above it, the trusted roots last. The steps are in the order in which a stranger
//! can do the least with them: who calls, how often, is the request sound, then sign.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use mesh_pki::{CertificateRequest, SpiffeId};
use mesh_proto::{
    google::protobuf::{Struct, value::Kind},
    istio::v1::auth::{
        IstioCertificateRequest, IstioCertificateResponse,
        istio_certificate_service_server::{IstioCertificateService, IstioCertificateServiceServer},
    },
};
use mesh_runtime::transport::Peer;
use tonic::{Request, Response, Status};

use crate::{
    authenticate::Authenticator,
    caller::Caller,
    guard::Guarded,
    impersonate::{Denied, NodeAgents},
    issue::{Issue, IssueError, Order},
    ledger::Ledger,
    limits::Turns,
    metrics::{Metrics, Step},
};

/// Largest message that is read: a request for the longest key with room to spare.
const MAX_MESSAGE: usize = 64 * 1024;
/// How long certificates are valid.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// When nothing is asked for.
    pub usual: Duration,
    /// More is refused.
    pub longest: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self { usual: HOUR * 24, longest: HOUR * 24 * 90 }
    }
}

/// The service.
pub(crate) struct CertificateService {
    pub(crate) authenticator: Authenticator,
    pub(crate) node_agents: NodeAgents,
    pub(crate) turns: Turns,
    pub(crate) issuer: Arc<dyn Issue>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
}

impl CertificateService {
    /// As tonic serves it.
    pub(crate) fn into_server(self) -> Guarded<IstioCertificateServiceServer<Self>> {
        let metrics = self.metrics.clone();
        Guarded::new(IstioCertificateServiceServer::new(self).max_decoding_message_size(MAX_MESSAGE), metrics)
    }

    async fn create(
        &self,
        caller: Caller,
        address: Option<IpAddr>,
        message: IstioCertificateRequest,
    ) -> Result<IstioCertificateResponse, Status> {
        let IstioCertificateRequest { csr, subject_id: _, validity_duration, metadata } = message;
        let metadata = Wishes::read(metadata);
        if let Err(refused) = self.turns.count(&caller, address, Instant::now()) {
            self.metrics.refused.inc();
            tracing::warn!(caller = %caller.identity, "{refused}");
            return Err(Status::resource_exhausted(refused.to_string()));
        }
        let since = Instant::now();
        let _turn = self.turns.wait().await.map_err(|refused| {
            self.metrics.refused.inc();
            Status::resource_exhausted(refused.to_string())
        })?;
        self.metrics.took(Step::wait, since);

        let since = Instant::now();
        let request = CertificateRequest::from_pem(&csr).map_err(|error| {
            self.metrics.unreadable.inc();
            tracing::debug!(caller = %caller.identity, %error, "a certificate request was refused");
            Status::invalid_argument(format!("CSR: {error}"))
        })?;
        let lifetime = self.lifetime(validity_duration)?;
        let identity = self.identity(&caller, metadata.impersonated).await?;
        self.metrics.took(Step::parse, since);

        let since = Instant::now();
        let signer = metadata.signer;
        let order = Order { request, request_pem: csr, identity: identity.clone(), lifetime, signer };
        let issued = self.issuer.issue(order).await.map_err(|error| {
            self.metrics.unsigned.inc();
            tracing::warn!(%identity, %error, "a certificate could not be issued");
            match error {
                IssueError::Request(why) => Status::invalid_argument(why),
                IssueError::Internal(why) => Status::internal(why),
                IssueError::Unavailable(why) => Status::unavailable(why),
            }
        })?;
        self.metrics.took(Step::sign, since);

        tracing::debug!(%identity, serial = issued.serial, "issued a certificate");
        let holder = Caller { identity, ..caller };
        self.ledger.issued(&holder, &issued, SystemTime::now());
        self.metrics.issued.inc();
        Ok(IstioCertificateResponse { cert_chain: issued.chain })
    }

    /// Zero is no wish, and what is negative is taken for none, as Istio does.
    fn lifetime(&self, seconds: i64) -> Result<Duration, Status> {
        let Lifetimes { usual, longest } = self.lifetimes;
        let Some(seconds) = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0) else {
            return Ok(usual);
        };
        let wanted = Duration::from_secs(seconds);
        if wanted > longest {
            let longest = longest.as_secs();
            let message = format!("requested TTL {seconds}s is greater than the max allowed TTL {longest}s");
            return Err(Status::invalid_argument(message));
        }
        Ok(wanted)
    }

    /// The caller's own identity, or the one that it may act for.
    async fn identity(&self, caller: &Caller, wanted: Option<String>) -> Result<SpiffeId, Status> {
        let Some(wanted) = wanted else { return Ok(caller.identity.clone()) };
        self.node_agents.may_act_for(caller, &wanted).await.map_err(|denied| {
            self.metrics.unauthenticated.inc();
            tracing::warn!(caller = %caller.identity, wanted, %denied, "impersonation was refused");
            match denied {
                Denied::No(_) => Status::unauthenticated("unauthorized impersonation"),
                Denied::Unknown(_) => Status::unavailable("impersonation can't be authorized now: try again"),
            }
        })
    }
}

#[tonic::async_trait]
impl IstioCertificateService for CertificateService {
    async fn create_certificate(
        &self,
        request: Request<IstioCertificateRequest>,
    ) -> Result<Response<IstioCertificateResponse>, Status> {
        self.metrics.requests.inc();
        let since = Instant::now();
        let (metadata, extensions, message) = request.into_parts();
        let headers = metadata.into_headers();
        let authenticated = self.authenticator.authenticate(&headers, &extensions).await;
        let caller = authenticated.map_err(|refusal| {
            self.metrics.unauthenticated.inc();
            tracing::info!(%refusal, "a caller was not authenticated");
            Status::from(refusal)
        })?;
        self.metrics.took(Step::authenticate, since);
        let address = extensions.get::<Peer>().map(|peer| peer.address.ip());
        self.create(caller, address, message).await.map(Response::new)
    }
}

/// What the metadata of a request asks for.
struct Wishes {
    impersonated: Option<String>,
    signer: Option<String>,
}

impl Wishes {
    fn read(metadata: Option<Struct>) -> Self {
        let mut fields = metadata.unwrap_or_default().fields;
        let mut text = |name: &str| match fields.remove(name)?.kind? {
            Kind::StringValue(text) if !text.is_empty() => Some(text),
            _ => None,
        };
        Self { impersonated: text("ImpersonatedIdentity"), signer: text("CertSigner") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_proto::google::protobuf::Value;
    use proptest::prelude::*;
    use prost::Message;

    #[test]
    fn only_texts_are_wishes() {
        let struct_of = |kind| Struct {
            fields: [("ImpersonatedIdentity".to_owned(), Value { kind })].into_iter().collect(),
        };
        let wished = |kind| Wishes::read(Some(struct_of(kind))).impersonated;
        assert_eq!(wished(Some(Kind::StringValue("a".to_owned()))).as_deref(), Some("a"));
        for kind in [None, Some(Kind::BoolValue(true)), Some(Kind::StringValue(String::new()))] {
            assert_eq!(wished(kind), None);
        }
    }

    proptest! {
        #[test]
        fn no_message_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(message) = IstioCertificateRequest::decode(&*bytes) {
                Wishes::read(message.metadata);
                prop_assert!(CertificateRequest::from_pem(&message.csr).is_err());
            }
        }
    }
}
