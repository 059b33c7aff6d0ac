//! `tls`: how the client's proxy secures connections to a service.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// TLS towards a service.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientTlsSettings {
    /// Whether and which TLS is used. Default DISABLE.
    pub mode: Option<ClientTlsMode>,
    /// File with the client's certificate chain; needed for MUTUAL without `credentialName`.
    pub client_certificate: Option<String>,
    /// File with the client's private key; needed for MUTUAL without `credentialName`.
    pub private_key: Option<String>,
    /// File with the authorities that may sign the server's certificate; `system` for those of the
    /// operating system.
    pub ca_certificates: Option<String>,
    /// Secret with key, certificate and authorities, in place of files; `configmap://name`: ConfigMap
    /// with authorities. Secrets are for sidecars only with a `workloadSelector`, ConfigMaps for all.
    /// Both are in the namespace of the rule.
    pub credential_name: Option<String>,
    /// Names of which the server's certificate must carry one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subject_alt_names: Vec<String>,
    /// Server name to ask for. Default: the host of the request.
    pub sni: Option<String>,
    /// Accepts any certificate. Default false.
    pub insecure_skip_verify: Option<bool>,
    /// File with revoked certificates.
    pub ca_crl: Option<String>,
}

/// Which TLS is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// None.
    Disable,
    /// The server shows a certificate.
    Simple,
    /// Both show a certificate; the client's is given here.
    Mutual,
    /// Both show the certificate that the mesh gave them.
    IstioMutual,
}
