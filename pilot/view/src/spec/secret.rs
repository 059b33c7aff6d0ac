//! What a secret that the control plane hands out depends on. Mirrors `envoy.extensions.transport_sockets.tls.v3.Secret`.

use mesh_model::{KeyPair, ObjectRef, Str, TrustedAuthorities};

/// How the names of secrets begin that the control plane itself hands out. Istio's.
pub const SECRET_SCHEME: &str = "kubernetes://";

/// The secret that is the certificate and key of a credential.
pub fn credential_certificate(credential: &str) -> Str {
    format!("{SECRET_SCHEME}{credential}").into()
}

/// The secret that is the authorities of a credential.
pub fn credential_authorities(credential: &str) -> Str {
    format!("{SECRET_SCHEME}{credential}-cacert").into()
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SecretSpec {
    /// Its name.
    pub name: Str,
    /// What is in it.
    pub content: SecretContent,
    /// The objects that name it.
    pub origins: Vec<ObjectRef>,
}

/// What a secret is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretContent {
    /// A certificate and its key.
    Certificate(KeyPair),
    /// Authorities, which are no secret.
    Authorities(TrustedAuthorities),
}
