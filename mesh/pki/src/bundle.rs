//! The roots that a mesh trusts: one most of the time, two while the root is being changed.
//!
//! In: PEM. Out: a set in a canonical order, its PEM and its digest; equal sets are equal whoever wrote them down.

use std::{fmt, sync::Arc};

use rustls::{RootCertStore, pki_types::CertificateDer};
use sha2::{Digest as _, Sha256};

use crate::{Error, Facts, credential::read_certificates};

/// A set of roots.
#[derive(Clone, PartialEq, Eq)]
pub struct TrustBundle {
    roots: Arc<[CertificateDer<'static>]>,
    pem: Arc<str>,
    digest: Digest,
}

/// Names a set of roots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 16]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl TrustBundle {
    /// From the PEM of one or more roots. Their order is kept: clients that read only the first get the current one.
    ///
    /// # Errors
    /// When one can't be read or may not sign, or there is none.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        Self::new(read_certificates(pem)?)
    }

    /// From certificates.
    ///
    /// # Errors
    /// As [`TrustBundle::from_pem`].
    pub fn new(certificates: Vec<CertificateDer<'static>>) -> Result<Self, Error> {
        let mut roots: Vec<CertificateDer<'static>> = Vec::with_capacity(certificates.len());
        for certificate in certificates {
            if !Facts::read(&certificate)?.is_ca {
                return Err(Error::Mismatch(
                    "a trusted root is not a certificate that may sign others".to_owned(),
                ));
            }
            if !roots.contains(&certificate) {
                roots.push(certificate);
            }
        }
        if roots.is_empty() {
            return Err(Error::unreadable("the trusted roots", "there are none"));
        }
        let pem: String = roots.iter().map(certificate_pem).collect();
        let mut sorted: Vec<&[u8]> = roots.iter().map(AsRef::as_ref).collect();
        sorted.sort_unstable();
        let mut hash = Sha256::new();
        for root in sorted {
            hash.update(Sha256::digest(root));
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&hash.finalize()[..16]);
        Ok(Self { roots: roots.into(), pem: pem.into(), digest: Digest(digest) })
    }

    /// These roots first, then those of `other` that are not among them.
    pub fn with(&self, other: &Self) -> Self {
        let all = self.roots.iter().chain(other.roots.iter()).cloned().collect();
        // Both are valid, so their union is.
        Self::new(all).unwrap_or_else(|_| self.clone())
    }

    /// The roots.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// Whether every root of `other` is here.
    pub fn contains(&self, other: &Self) -> bool {
        other.roots.iter().all(|root| self.roots.contains(root))
    }

    /// All roots, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its name: the same for the same roots in whatever order.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// As rustls has it.
    pub fn store(&self) -> RootCertStore {
        let mut store = RootCertStore::empty();
        store.add_parsable_certificates(self.roots.iter().cloned());
        store
    }
}

impl fmt::Debug for TrustBundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustBundle({} roots, {})", self.roots.len(), self.digest)
    }
}

/// A certificate in PEM, as openssl writes it.
pub fn certificate_pem(certificate: &CertificateDer<'static>) -> String {
    let block = pem::Pem::new("CERTIFICATE", certificate.as_ref());
    pem::encode_config(&block, pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::{self, KeyKind};

    fn root(name: &str) -> CertificateDer<'static> {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = keys::generate(KeyKind::P256).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        certificate.der().clone()
    }

    #[test]
    fn order_and_repetition_make_no_difference() {
        let (old, new) = (root("old"), root("new"));
        let one = TrustBundle::new(vec![old.clone()]).unwrap();
        let two = TrustBundle::new(vec![old.clone(), new.clone(), old.clone()]).unwrap();
        let turned = TrustBundle::new(vec![new.clone(), old]).unwrap();
        assert_eq!(two.roots().len(), 2);
        assert_eq!(two.digest(), turned.digest());
        assert_ne!(one.digest(), two.digest());
        assert!(two.contains(&one) && !one.contains(&two));
        assert_eq!(TrustBundle::new(vec![new]).unwrap().with(&one), turned);
        assert_eq!(TrustBundle::from_pem(turned.pem()).unwrap(), turned);
        assert!(TrustBundle::from_pem("").is_err());
    }
}
