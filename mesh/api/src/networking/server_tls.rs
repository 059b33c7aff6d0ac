//! `tls` of a listener: how a proxy secures connections that it accepts.
//!
//! Shared by Sidecar's ingress and Gateway's servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::schema::rules::{self, server_tls};

/// TLS towards clients. Certificates come from files, from `credentialName(s)` or from `tlsCertificates`.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules::cel(&server_tls::ALL)))]
pub struct ServerTlsSettings {
    /// Answers plain HTTP with a redirect to HTTPS.
    pub https_redirect: Option<bool>,
    /// Whether and which TLS is used. Default PASSTHROUGH.
    pub mode: Option<ServerTlsMode>,
    /// File with the server's certificate chain.
    pub server_certificate: Option<String>,
    /// File with the server's private key.
    pub private_key: Option<String>,
    /// File with the authorities that may sign client certificates; needed for MUTUAL and OPTIONAL_MUTUAL.
    pub ca_certificates: Option<String>,
    /// File with revoked client certificates.
    pub ca_crl: Option<String>,
    /// Secret with key, certificate and authorities, in place of files.
    pub credential_name: Option<String>,
    /// Up to two Secrets, such as one with an RSA and one with an ECDSA key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "maxItems" = 2))]
    pub credential_names: Vec<String>,
    /// Secret or ConfigMap with the authorities that may sign client certificates.
    pub ca_cert_credential_name: Option<String>,
    /// Up to two sets of files, such as one with an RSA and one with an ECDSA key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("minItems" = 1, "maxItems" = 2))]
    pub tls_certificates: Vec<TlsCertificate>,
    /// Names of which a client's certificate must carry one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<String>,
    /// SHA-256 hashes in base64 of the public keys that client certificates may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify_certificate_spki: Vec<String>,
    /// SHA-256 hashes in hex of the client certificates that are allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verify_certificate_hash: Vec<String>,
    /// Lowest TLS version. Default TLSV1_2.
    pub min_protocol_version: Option<TlsProtocol>,
    /// Highest TLS version.
    pub max_protocol_version: Option<TlsProtocol>,
    /// Cipher suites up to TLS 1.2. Default: Envoy's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cipher_suites: Vec<String>,
    /// Lets clients in whose certificate does not verify. Default false.
    pub insecure_skip_verify: Option<bool>,
}

/// A key and its certificate in files.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TlsCertificate {
    /// File with the server's certificate chain.
    pub server_certificate: Option<String>,
    /// File with the server's private key.
    pub private_key: Option<String>,
    /// File with the authorities that may sign client certificates.
    pub ca_certificates: Option<String>,
}

/// Which TLS is used towards clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// TLS is not ended here; routes are chosen by server name.
    Passthrough,
    /// The server shows a certificate.
    Simple,
    /// Both show a certificate.
    Mutual,
    /// As PASSTHROUGH, to the service that the server name encodes.
    AutoPassthrough,
    /// Both show the certificate that the mesh gave them.
    IstioMutual,
    /// As MUTUAL, but clients without a certificate are let in.
    OptionalMutual,
}

/// A TLS version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum TlsProtocol {
    /// The default.
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// TLS 1.0.
    #[serde(rename = "TLSV1_0")]
    V1_0,
    /// TLS 1.1.
    #[serde(rename = "TLSV1_1")]
    V1_1,
    /// TLS 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}
