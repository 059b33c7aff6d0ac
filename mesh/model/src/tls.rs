//! TLS: what mTLS and TLS of clients are limited to, and how a client secures its connections to a service.

use crate::{Kind, NamespacedName, ObjectRef, Str};
use serde::Serialize;

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub enum TlsVersion {
    V1_0,
    V1_1,
    V1_2,
    V1_3,
}

/// `meshMTLS` and `tlsDefaults`: what is spoken. Of an empty list, what is usual.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TlsLimits {
    /// `minProtocolVersion`.
    pub min_version: TlsVersion,
    /// `cipherSuites`, up to TLS 1.2.
    pub cipher_suites: Vec<Str>,
    /// `ecdhCurves`.
    pub ecdh_curves: Vec<Str>,
}

impl Default for TlsLimits {
    fn default() -> Self {
        Self { min_version: TlsVersion::V1_2, cipher_suites: Vec::new(), ecdh_curves: Vec::new() }
    }
}

/// `tls` of a DestinationRule: how clients secure their connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ClientTls {
    /// Not at all.
    Disable,
    /// With the certificates of the mesh (`ISTIO_MUTUAL`).
    Mesh {
        /// `sni`; `None`: that of the cluster.
        server_name: Option<Str>,
        /// `subjectAltNames`; empty: the identities of the endpoints.
        names: Vec<Str>,
    },
    /// With certificates that are given here (`SIMPLE` and `MUTUAL`).
    Given(GivenTls),
    /// Not said here: the block is for gateways (`credentialName` without `workloadSelector`). Sidecars connect as if there were none.
    OfGateways,
    /// In a way that Meltemi cannot do. Nothing is sent then, least of all plaintext.
    Impossible,
}

/// `SIMPLE` and `MUTUAL`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct GivenTls {
    /// What servers are shown; `None`: nothing.
    pub certificate: Option<Certificate>,
    /// Whose certificates are taken; `None`: anybody's (`insecureSkipVerify`).
    pub authorities: Option<Authorities>,
    /// `subjectAltNames`.
    pub names: Vec<Str>,
    /// `sni`; `None`: the host of each request.
    pub server_name: Option<Str>,
}

impl GivenTls {
    /// The Secret or ConfigMap that it names for clients of `namespace`, and whether both halves of it are used or the authorities alone.
    pub fn credential(&self, namespace: &Str) -> Option<(ObjectRef, Halves)> {
        let secret = |name: &Str| ObjectRef::new(Kind::Secret, namespace.clone(), name.clone());
        let certificate = match &self.certificate {
            Some(Certificate::Credential(name)) => Some(secret(name)),
            Some(Certificate::Files { .. }) | None => None,
        };
        let authorities = self.authorities.as_ref().and_then(|authorities| match &authorities.source {
            AuthoritySource::Credential(name) => Some(secret(name)),
            AuthoritySource::ConfigMap(name) => Some(ObjectRef { kind: Kind::ConfigMap, name: name.clone() }),
            AuthoritySource::System | AuthoritySource::File(_) => None,
        });
        let halves = Halves { certificate: certificate.is_some(), authorities: authorities.is_some() };
        Some((certificate.or(authorities)?, halves))
    }
}

/// Which halves of a credential are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Halves {
    /// The certificate and its key.
    pub certificate: bool,
    /// The authorities.
    pub authorities: bool,
}

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Certificate {
    /// `clientCertificate` and `privateKey`: files in the proxy's container.
    Files {
        /// The certificate, and those between it and a root.
        chain: Str,
        /// Its key.
        key: Str,
    },
    /// `credentialName`: a Secret in the proxy's namespace.
    Credential(Str),
}

/// Where certificates of authorities are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum AuthoritySource {
    /// Those of the operating system (`system`).
    System,
    /// `caCertificates`: a file in the proxy's container.
    File(Str),
    /// `credentialName`: a Secret in the proxy's namespace.
    Credential(Str),
    /// `credentialName`: a ConfigMap in the rule's namespace, for clients of all.
    ConfigMap(NamespacedName),
}

/// `caCertificates` and `caCrl`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Authorities {
    /// Where they are.
    pub source: AuthoritySource,
    /// A file with certificates that are revoked; never where `source` is a credential, which has them itself.
    pub revoked: Option<Str>,
}

/// `tls` of a Sidecar's `ingress`: TLS of clients outside the mesh, which the workload's proxy ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ServerTls {
    /// `serverCertificate` and `privateKey`, or `tlsCertificates`: files.
    pub certificates: Vec<(Str, Str)>,
    /// Whose certificates clients show; `None`: they show none (`SIMPLE`).
    pub clients: Option<ClientCheck>,
    /// `minProtocolVersion`; `None`: as in `tlsDefaults`.
    pub min_version: Option<TlsVersion>,
    /// `maxProtocolVersion`; `None`: the highest.
    pub max_version: Option<TlsVersion>,
    /// `cipherSuites`; empty: as in `tlsDefaults`.
    pub cipher_suites: Vec<Str>,
}

/// `MUTUAL` and `OPTIONAL_MUTUAL`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ClientCheck {
    /// `caCertificates` and `caCrl`.
    pub authorities: Authorities,
    /// `subjectAltNames`; empty: any name will do.
    pub names: Vec<Str>,
    /// `verifyCertificateSpki` and `verifyCertificateHash`.
    pub pins: Pins,
    /// Whether clients without a certificate are refused.
    pub is_required: bool,
}

/// Hashes (SHA-256) of which a certificate must have one. Empty: any certificate will do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Pins {
    /// Of its public key, in base64.
    pub keys: Vec<Str>,
    /// Of itself, in hex.
    pub certificates: Vec<Str>,
}
