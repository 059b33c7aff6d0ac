//! What a control plane and a fleet need to speak TLS: a certificate for the one, tokens of their service accounts for the others.
//!
//! In: a directory. Out: options of the control plane, and what a connection is opened with. Tokens are signed here and taken by the rule
//! that the control plane is started with, as those of any issuer would be.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use citadel::{KeySource, LocalTokens};
use mesh_pki::{TrustBundle, tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// The name on the control plane's certificate.
const NAME: &str = "istiod.istio-system.svc";
/// Longer than any measurement.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// Both sides of it.
pub struct Secure {
    certificate: PathBuf,
    key: PathBuf,
    roots: PathBuf,
    rule: String,
    tokens: LocalTokens,
    connector: TlsConnector,
}

impl Secure {
    /// A certificate in `directory`, and an issuer of tokens.
    pub fn make(directory: &Path) -> Result<Self> {
        let mut authority = CertificateParams::new(Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate()?;
        let root = authority.self_signed(&authority_key)?.pem();
        let key = KeyPair::generate()?;
        let names = CertificateParams::new(vec![NAME.to_owned()])?;
        let certificate = names.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?.pem();
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            anyhow::Ok(path)
        };
        let tokens = LocalTokens::new("istio-ca")?;
        let rule = tokens.rule();
        let KeySource::Inline(keys) = &rule.keys else { bail!("the keys of tokens are elsewhere") };
        let keys = serde_json::to_string(keys)?;
        let rule = serde_json::json!({"issuer": rule.issuer, "audiences": rule.audiences, "jwks": keys});
        Ok(Self {
            certificate: write("tls.crt", &certificate)?,
            key: write("tls.key", &key.serialize_pem())?,
            roots: write("ca.crt", &root)?,
            rule: rule.to_string(),
            tokens,
            connector: TlsConnector::from(Arc::new(tls::client(&TrustBundle::from_pem(&root)?, None)?)),
        })
    }

    /// Options of the control plane.
    pub fn options(&self) -> Vec<String> {
        let file = |option: &str, path: &Path| [option.to_owned(), path.display().to_string()];
        let mut options = vec!["--jwt-rule".to_owned(), self.rule.clone()];
        options.extend(file("--tls-cert-file", &self.certificate));
        options.extend(file("--tls-key-file", &self.key));
        options.extend(file("--ca-cert-file", &self.roots));
        options
    }

    /// A token of the service account of a workload.
    pub fn token(&self, namespace: &str, service_account: &str) -> Result<String> {
        Ok(self.tokens.token(namespace, service_account, LIFETIME)?)
    }

    /// Agrees on TLS.
    pub async fn connect(&self, socket: TcpStream) -> Result<TlsStream<TcpStream>> {
        Ok(self.connector.connect(NAME.try_into()?, socket).await?)
    }
}
