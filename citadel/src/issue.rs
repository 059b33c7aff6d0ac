//! Who makes certificates: the authority in this process, or another that is asked.
//!
//! In: a checked request for a proven caller. Out: a certificate and the roots that belong to it.

mod elsewhere;
mod grpc;
mod kubernetes;

use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use mesh_pki::{CertificateRequest, SpiffeId, TrustBundle, bundle::Digest};

use crate::Authority;

pub(crate) use grpc::GrpcSigner;
pub use grpc::{AddressError, AuthorityElsewhere};
pub(crate) use kubernetes::KubernetesSigner;
pub use kubernetes::SignerName;

/// Who signs for workloads.
#[derive(Clone, Default)]
pub enum Signer {
    /// This authority.
    #[default]
    Own,
    /// A signer of the Kubernetes API of the cluster that the control plane is in.
    Kubernetes {
        /// Which.
        name: SignerName,
        /// What it signs chains to; mesh settings may name more.
        roots: Option<TrustBundle>,
    },
    /// An authority elsewhere that speaks Istio's protocol.
    Elsewhere(Box<AuthorityElsewhere>),
}

/// What a caller gets.
#[derive(Debug, Clone)]
pub struct Issued {
    /// The certificate, those between it and the root, and last the trusted roots in one string; all in PEM.
    pub chain: Vec<String>,
    /// Its serial number, in hexadecimal.
    pub serial: String,
    /// When it expires.
    pub not_after: SystemTime,
    /// The roots that came with it.
    pub bundle: Digest,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Order {
    /// The key, proven to be the caller's.
    pub request: CertificateRequest,
    /// The request as it came; authorities elsewhere want to see it.
    pub request_pem: String,
    /// Whom it is for.
    pub identity: SpiffeId,
    /// How long.
    pub lifetime: Duration,
    /// Which signer, where there are several.
    pub signer: Option<String>,
}

/// Why no certificate was made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The request is at fault.
    #[error("{0}")]
    Request(String),
    /// The authority is at fault.
    #[error("{0}")]
    Internal(String),
    /// The authority can't be asked now.
    #[error("{0}")]
    Unavailable(String),
}

/// Makes certificates.
pub trait Issue: Send + Sync + 'static {
    /// Makes one.
    fn issue(&self, order: Order) -> BoxFuture<'_, Result<Issued, IssueError>>;
}

impl Issue for Authority {
    fn issue(&self, order: Order) -> BoxFuture<'_, Result<Issued, IssueError>> {
        let state = self.current();
        let Order { request, request_pem: _, identity, lifetime, signer: _ } = order;
        // A tenth of a millisecond with elliptic curves: less than handing it to another thread and back would cost under load.
        let signed = state.sign_workload(request.key(), &identity, lifetime, SystemTime::now());
        let issued = signed.map_err(|error| IssueError::Internal(error.to_string())).map(|leaf| {
            let mut chain = Vec::with_capacity(state.intermediates().len() + 2);
            chain.push(leaf.pem);
            chain.extend(state.intermediates().iter().cloned());
            chain.push(state.bundle().pem().to_owned());
            Issued { chain, serial: leaf.serial, not_after: leaf.not_after, bundle: state.bundle().digest() }
        });
        Box::pin(std::future::ready(issued))
    }
}
