//! Settings of authorities elsewhere, by flag or by the environment variables that istiod has for them.

use std::path::PathBuf;

use clap::Args;

/// Who signs for workloads, if it is not this process.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Certificates by an authority elsewhere")]
pub struct SignerArgs {
    /// `ISTIOD_RA_KUBERNETES_API`: a signer of the Kubernetes API signs for workloads
    #[arg(long, env = "EXTERNAL_CA", value_name = "KIND")]
    pub external_ca: Option<String>,
    /// The signer of requests that name none, such as `clusterissuers.cert-manager.io/mesh`
    #[arg(long, env = "K8S_SIGNER", value_name = "SIGNER")]
    pub k8s_signer: Option<String>,
    /// The domain of signers that requests may name, such as `clusterissuers.cert-manager.io`
    #[arg(long, env = "CERT_SIGNER_DOMAIN", value_name = "DOMAIN")]
    pub cert_signer_domain: Option<String>,
    /// Who signs the control plane's own certificate: `istiod` (this process), or `k8s.io/SIGNER`, which is also the signer where K8S_SIGNER
    /// names none
    #[arg(long, env = "PILOT_CERT_PROVIDER", value_name = "PROVIDER")]
    pub cert_provider: Option<String>,
    /// The control plane's own certificate, with its chain, in PEM; looked at again every few seconds [default: where istiod looks,
    /// ./var/run/secrets/istiod/tls/tls.crt, if that is there]
    #[arg(long, alias = "tlsCertFile", value_name = "FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// Its key [default: ./var/run/secrets/istiod/tls/tls.key]
    #[arg(long, alias = "tlsKeyFile", value_name = "FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// What it chains to: workloads are told to trust that [default: ./var/run/secrets/istiod/ca/root-cert.pem, or ca.crt beside tls.crt]
    #[arg(long, alias = "caCertFile", value_name = "FILE")]
    pub ca_cert_file: Option<PathBuf>,
    /// An authority that speaks Istio's CreateCertificate signs for workloads
    #[arg(long, value_name = "HOST:PORT")]
    pub external_ca_address: Option<String>,
    /// What certificates of the authority elsewhere chain to, in PEM [default: ./etc/external-ca-cert/root-cert.pem]
    #[arg(long, value_name = "FILE")]
    pub external_ca_roots: Option<PathBuf>,
    /// A token for the authority at --external-ca-address; read again for every request
    #[arg(long, value_name = "FILE", requires = "external_ca_address")]
    pub external_ca_token: Option<PathBuf>,
    /// A certificate for the authority at --external-ca-address, with its chain, in PEM
    #[arg(long, value_name = "FILE", requires = "external_ca_key")]
    pub external_ca_certificate: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "external_ca_certificate")]
    pub external_ca_key: Option<PathBuf>,
}
