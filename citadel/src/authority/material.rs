//! What an authority is made of, as text: the contents of a Secret, whatever its form.

use std::collections::BTreeMap;

use mesh_pki::Error;
use zeroize::Zeroizing;

/// A signing certificate, its key and what belongs to it, all in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Material {
    /// The certificate that signs; others of its chain may follow it.
    pub certificate: String,
    /// Its key.
    pub key: Zeroizing<String>,
    /// Certificates between it and a root, in whatever order; empty when there are none.
    pub chain: String,
    /// The roots that are trusted.
    pub roots: String,
    /// Revocation lists, if there are any.
    pub revocations: Option<String>,
}

/// Why no authority can be made of something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaterialError {
    /// A part is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A part is broken.
    #[error("{part}: {source}")]
    Broken {
        /// Which, by its names in a Secret.
        part: &'static str,
        /// Why.
        source: Error,
    },
    /// The parts do not make an authority.
    #[error("{0}")]
    Unfit(String),
}

/// What parts are called where people are told of them: by the key of the Secret, in both of its forms.
pub(super) mod parts {
    pub const CERTIFICATE: &str = "ca-cert.pem (or tls.crt)";
    pub const KEY: &str = "ca-key.pem (or tls.key)";
    pub const CHAIN: &str = "cert-chain.pem (or what follows the first certificate in tls.crt)";
    pub const ROOTS: &str = "root-cert.pem (or ca.crt)";
    pub const REVOCATIONS: &str = "ca-crl.pem";
}

/// Names of the data of a Secret that holds an authority, as Istio has them.
pub mod keys {
    /// The signing certificate.
    pub const CERTIFICATE: &str = "ca-cert.pem";
    /// Its key.
    pub const KEY: &str = "ca-key.pem";
    /// What is between it and the root.
    pub const CHAIN: &str = "cert-chain.pem";
    /// The trusted roots.
    pub const ROOTS: &str = "root-cert.pem";
    /// Revocation lists.
    pub const REVOCATIONS: &str = "ca-crl.pem";
    /// The signing certificate and its chain, as cert-manager and `kubectl create secret tls` name it.
    pub const TLS_CERTIFICATE: &str = "tls.crt";
    /// Its key.
    pub const TLS_KEY: &str = "tls.key";
    /// The trusted root.
    pub const TLS_ROOT: &str = "ca.crt";
}

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

impl Material {
    /// From the data of a Secret, in Istio's form or in that of `kubernetes.io/tls`.
    ///
    /// # Errors
    /// When a part is missing or is not text.
    pub fn from_secret(data: &Data) -> Result<Self, MaterialError> {
        let text = |name: &'static str| -> Result<Option<String>, MaterialError> {
            match data.get(name).filter(|bytes| !bytes.is_empty()) {
                Some(bytes) => match String::from_utf8(bytes.clone()) {
                    Ok(text) => Ok(Some(text)),
                    Err(_) => Err(MaterialError::Unfit(format!("{name} is not text"))),
                },
                None => Ok(None),
            }
        };
        let istio = data.contains_key(keys::CERTIFICATE) || data.contains_key(keys::KEY);
        let (certificate, key, roots) = if istio {
            (keys::CERTIFICATE, keys::KEY, keys::ROOTS)
        } else {
            (keys::TLS_CERTIFICATE, keys::TLS_KEY, keys::TLS_ROOT)
        };
        let chain = if istio { text(keys::CHAIN)? } else { None };
        let signer = text(certificate)?.ok_or(MaterialError::Missing(certificate))?;
        let key = text(key)?.map(Zeroizing::new).ok_or(MaterialError::Missing(key))?;
        // A Secret that Istio made for itself may have no roots: then the certificate is the root.
        let roots = match text(roots)? {
            Some(roots) => roots,
            None if istio && chain.is_none() => signer.clone(),
            None => return Err(MaterialError::Missing(roots)),
        };
        let chain = chain.unwrap_or_default();
        Ok(Self { certificate: signer, key, chain, roots, revocations: text(keys::REVOCATIONS)? })
    }

    /// As the data of a Secret, in Istio's form.
    pub fn to_secret(&self) -> Data {
        let Self { certificate, key, chain, roots, revocations } = self;
        let mut data = Data::new();
        let mut put = |name: &str, text: &str| data.insert(name.to_owned(), text.as_bytes().to_vec());
        put(keys::CERTIFICATE, certificate);
        put(keys::KEY, key);
        put(keys::CHAIN, chain);
        put(keys::ROOTS, roots);
        if let Some(revocations) = revocations {
            put(keys::REVOCATIONS, revocations);
        }
        data
    }
}

/// Without the key: it must not get into a log.
impl std::fmt::Debug for Material {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Material").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}
