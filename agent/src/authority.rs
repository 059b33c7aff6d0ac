//! Asks the certificate authority for a certificate.
//!
//! In: who to ask, whom to trust, and a proof: a token or an older certificate. Out: an [`Identity`] with a key that was made for it. A
//! connection is made for each request: there is one in hours, and roots and proof may have changed since.

use std::{io, time::Duration};

use mesh_pki::{
    Credential, TrustBundle,
    keys::{self, KeyKind},
    request,
};
use mesh_proto::istio::v1::auth::{
    IstioCertificateRequest, istio_certificate_service_client::IstioCertificateServiceClient,
};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue, errors::InvalidMetadataValue},
};

use crate::{Identity, Revoked, connect::connect};

/// For all of a request: connection, TLS and the answer. The authority itself gives up after 15 seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the authority is.
#[derive(Debug, Clone)]
pub struct Authority {
    /// Host and port to connect to.
    pub address: String,
    /// The name that its certificate must have.
    pub server_name: String,
    /// The cluster that tokens are from.
    pub cluster: String,
    /// Whose certificates are no longer good.
    pub revoked: Revoked,
    /// The kind of the keys that are made.
    pub key: KeyKind,
}

/// How the workload proves who it is.
#[derive(Clone, Copy)]
pub enum Proof<'a> {
    /// By the token of its service account.
    Token(&'a str),
    /// By a certificate that it has already.
    Certificate(&'a Credential),
}

/// Why there is no new certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// A file that is mounted into the pod.
    #[error("{what}: {path} can't be read: {error}")]
    File {
        /// What it should be.
        what: &'static str,
        /// Where it should be.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// What is in such a file.
    #[error("{what}: {path} can't be used: {why}")]
    Contents {
        /// What it should be.
        what: &'static str,
        /// Where it is.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token has characters that no token has.
    #[error("the token can't be sent: {NO_TOKEN}")]
    Token,
    /// The cluster's name has such.
    #[error("`{0}` can't be sent as the name of a cluster (ISTIO_META_CLUSTER_ID)")]
    Cluster(String),
    /// Certificates or keys are not what they should be.
    #[error(transparent)]
    Pki(#[from] mesh_pki::Error),
    /// The name to expect is none.
    #[error("`{0}` is no name that a server can have")]
    ServerName(String),
    /// No connection.
    #[error("{address} can't be reached: {error}")]
    Unreachable {
        /// The authority's address.
        address: String,
        /// Why.
        error: String,
    },
    /// The authority answers with an error.
    #[error("the certificate authority refuses: {} ({:?})", .0.message(), .0.code())]
    Refused(#[from] Status),
    /// It took too long.
    #[error("the certificate authority at {address} did not answer in {} seconds", PATIENCE.as_secs())]
    Late {
        /// The authority's address.
        address: String,
    },
}

impl EnrolError {
    /// Whether another proof may do better.
    pub(crate) fn is_of_proof(&self) -> bool {
        match self {
            Self::Refused(status) => matches!(
                status.code(),
                // A certificate that is not accepted ends the connection; TLS 1.3 tells a client only after the handshake.
                Code::Unauthenticated
                    | Code::PermissionDenied
                    | Code::Unknown
                    | Code::Unavailable
                    | Code::Cancelled
            ),
            Self::Unreachable { .. } => true,
            Self::File { .. }
            | Self::Contents { .. }
            | Self::Token
            | Self::Cluster(_)
            | Self::Pki(_)
            | Self::ServerName(_)
            | Self::Late { .. } => false,
        }
    }
}

impl Authority {
    /// Gets a certificate for a new key; `lifetime` zero leaves it to the authority how long it is valid.
    ///
    /// # Errors
    /// When the authority can't be reached, is not who it should be, or refuses.
    pub async fn enrol(
        &self,
        proof: Proof<'_>,
        trusted: &TrustBundle,
        lifetime: Duration,
    ) -> Result<Identity, EnrolError> {
        let late = || EnrolError::Late { address: self.address.clone() };
        tokio::time::timeout(PATIENCE, self.ask(proof, trusted, lifetime)).await.map_err(|_| late())?
    }

    async fn ask(
        &self,
        proof: Proof<'_>,
        trusted: &TrustBundle,
        lifetime: Duration,
    ) -> Result<Identity, EnrolError> {
        let key = keys::generate(self.key)?;
        let mut message = Request::new(IstioCertificateRequest {
            csr: request::make(&key, None)?,
            validity_duration: i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX),
            ..IstioCertificateRequest::default()
        });
        let metadata = message.metadata_mut();
        metadata.insert("clusterid", cluster_id(&self.cluster)?);
        let credential = match proof {
            Proof::Token(token) => {
                metadata.insert("authorization", bearer(token).map_err(|_| EnrolError::Token)?);
                None
            }
            Proof::Certificate(credential) => Some(credential),
        };
        let channel = connect(&self.address, &self.server_name, trusted, &self.revoked, credential).await?;
        let answer = IstioCertificateServiceClient::new(channel).create_certificate(message).await?;
        Ok(Identity::from_answer(&answer.into_inner().cert_chain, &key.serialize_pem())?)
    }
}

/// What is wrong with a token that is none.
pub(crate) const NO_TOKEN: &str = "it has characters that no token has";

/// The cluster that a token is from, as gRPC's metadata has it.
pub(crate) fn cluster_id(cluster: &str) -> Result<MetadataValue<Ascii>, EnrolError> {
    cluster.parse().map_err(|_| EnrolError::Cluster(cluster.to_owned()))
}

/// A token as gRPC's metadata has it.
pub(crate) fn bearer(token: &str) -> Result<MetadataValue<Ascii>, InvalidMetadataValue> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {}", token.trim()).parse()?;
    value.set_sensitive(true);
    Ok(value)
}
