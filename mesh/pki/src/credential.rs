//! A certificate with its chain and its key: what a TLS endpoint shows of itself.
//!
//! In: PEM. Out: a pair that belongs together; a key that does not fit its certificate is found here and not at the first handshake.

use std::{fmt, sync::Arc};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use zeroize::Zeroizing;

use crate::{Error, Facts};

/// A certificate, those between it and a root, and its key.
#[derive(Clone)]
pub struct Credential {
    certified: Arc<CertifiedKey>,
    chain_pem: String,
    key_pem: Zeroizing<String>,
    facts: Facts,
}

impl Credential {
    /// From the chain, leaf first, and the key.
    ///
    /// # Errors
    /// When either can't be read, or they don't belong together.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, Error> {
        let certificates = read_certificates(chain)?;
        let private = PrivateKeyDer::from_pem_slice(key.as_bytes())
            .map_err(|error| Error::unreadable("the private key", error))?;
        let facts = match certificates.first() {
            Some(leaf) => Facts::read(leaf)?,
            None => return Err(Error::unreadable("the certificate", "there is none")),
        };
        let certified = CertifiedKey::from_der(certificates, private, &aws_lc_rs::default_provider())
            .map_err(|error| Error::Mismatch(format!("the key is not the certificate's: {error}")))?;
        Ok(Self {
            certified: Arc::new(certified),
            chain_pem: chain.to_owned(),
            key_pem: Zeroizing::new(key.to_owned()),
            facts,
        })
    }

    /// As rustls has it.
    pub fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    /// The certificate and those after it, in PEM.
    pub fn chain_pem(&self) -> &str {
        &self.chain_pem
    }

    /// The key, in PEM.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// What the certificate says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }
}

/// Without the key: it must not get into a log.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential").field("facts", &self.facts).finish_non_exhaustive()
    }
}

/// The public half of a private key in PEM, as a DER `SubjectPublicKeyInfo`.
///
/// # Errors
/// When it is no key, or of a kind that nothing here can use. What is said does not repeat any of it.
pub fn public_half(key: &str) -> Result<Vec<u8>, Error> {
    let unreadable = || Error::unreadable("the private key", "it is none that can be used");
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| unreadable())?;
    let key = aws_lc_rs::default_provider().key_provider.load_private_key(private);
    let public = key.ok().and_then(|key| Some(key.public_key()?.to_vec()));
    public.ok_or_else(unreadable)
}

/// All certificates of a PEM text, in their order.
///
/// # Errors
/// When a block is broken. Text without any certificate is an empty list.
pub fn read_certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| Error::unreadable("a certificate", error))
}
