//! What the mesh's certificates are: who they name, how they are asked for, what they chain to, how TLS uses them.
//!
//! In: PEM and DER from clients, Secrets and files. Out: [`SpiffeId`]s, checked [`CertificateRequest`]s, [`Credential`]s, [`TrustBundle`]s
//! and rustls settings. Nothing here does IO, knows Kubernetes or decides who may have what: that is the certificate authority's business.
//! There is one crypto provider, aws-lc-rs, passed explicitly: nothing depends on what a process has installed.

pub mod bundle;
pub mod chain;
pub mod credential;
pub mod facts;
pub mod keys;
pub mod request;
pub mod revocation;
pub mod spiffe;
pub mod tls;

pub use bundle::TrustBundle;
pub use credential::Credential;
pub use facts::Facts;
pub use request::CertificateRequest;
pub use revocation::Revocations;
pub use rustls::pki_types;
pub use spiffe::SpiffeId;

/// Why something is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It can't be read.
    #[error("{what} can't be read: {reason}")]
    Unreadable {
        /// What was being read.
        what: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// A key that must not be trusted with anything.
    #[error("the key is too weak: {0}")]
    WeakKey(String),
    /// An algorithm that nothing here supports.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// Whoever made the request does not hold the key.
    #[error("the signature of the certificate request is not valid")]
    Signature,
    /// A certificate and a key, or a chain, do not belong together.
    #[error("{0}")]
    Mismatch(String),
}

impl Error {
    pub(crate) fn unreadable(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Unreadable { what, reason: reason.to_string() }
    }
}
