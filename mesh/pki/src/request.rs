//! Certificate requests: made by whoever wants a certificate, checked by whoever signs.
//!
//! In: PEM from a stranger. Out: a public key that the stranger proved to hold, and nothing else. Names, extensions and the CA flag of a
//! request are not even looked at: who the caller is was proven elsewhere.

mod wishes;

use rcgen::{CertificateParams, DistinguishedName, KeyPair, SanType, SubjectPublicKeyInfo};
use x509_parser::{
    certification_request::X509CertificationRequest,
    oid_registry::{
        OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA,
        OID_SIG_ECDSA_WITH_SHA256, OID_SIG_ECDSA_WITH_SHA384, OID_SIG_ED25519,
    },
    prelude::FromDer,
    public_key::PublicKey,
    x509::SubjectPublicKeyInfo as ParsedKey,
};

pub use wishes::ask_only_for;

use crate::{Error, SpiffeId};

/// Largest request that is read. One for RSA with 8192 bits has 3 KiB in PEM.
pub const MAX_BYTES: usize = 16 * 1024;
/// Shortest RSA key.
const MIN_RSA_BITS: usize = 2048;
/// Longest RSA key: signatures of longer ones cost seconds to verify.
const MAX_RSA_BITS: usize = 8192;

/// A request whose maker holds the key.
#[derive(Debug, Clone)]
pub struct CertificateRequest {
    key: SubjectPublicKeyInfo,
}

impl CertificateRequest {
    /// Reads and checks a request.
    ///
    /// # Errors
    /// When it is not one, is too large, has a weak or unknown key, or is not signed by that key.
    pub fn from_pem(pem: &str) -> Result<Self, Error> {
        use rustls::pki_types::{CertificateSigningRequestDer, pem::PemObject};
        if pem.len() > MAX_BYTES {
            let reason = format!("it has {} bytes, and {MAX_BYTES} are allowed", pem.len());
            return Err(Error::unreadable("the certificate request", reason));
        }
        let der = CertificateSigningRequestDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| Error::unreadable("the certificate request", error))?;
        Self::from_der(&der)
    }

    /// As [`CertificateRequest::from_pem`], without the PEM.
    ///
    /// # Errors
    /// As there.
    pub fn from_der(der: &[u8]) -> Result<Self, Error> {
        let unreadable = |error: &dyn std::fmt::Display| Error::unreadable("the certificate request", error);
        if der.len() > MAX_BYTES {
            return Err(unreadable(&"it is too large"));
        }
        let (rest, parsed) = X509CertificationRequest::from_der(der).map_err(|error| unreadable(&error))?;
        if !rest.is_empty() {
            return Err(unreadable(&"something follows it"));
        }
        let key = &parsed.certification_request_info.subject_pki;
        check_strength(key)?;
        let algorithm = &parsed.signature_algorithm.algorithm;
        if *algorithm == OID_PKCS1_SHA1WITHRSA || *algorithm == OID_SHA1_WITH_RSA {
            return Err(Error::WeakKey("it signs with SHA-1".to_owned()));
        }
        // A verifier is chosen by the signature's algorithm: it must be one of the key's.
        let of_ec = *algorithm == OID_SIG_ECDSA_WITH_SHA256 || *algorithm == OID_SIG_ECDSA_WITH_SHA384;
        let of_ed = *algorithm == OID_SIG_ED25519;
        let is_ec = key.algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY;
        let is_ed = key.algorithm.algorithm == OID_SIG_ED25519;
        if of_ec != is_ec || of_ed != is_ed {
            return Err(Error::Signature);
        }
        parsed.verify_signature().map_err(|_| Error::Signature)?;
        let key = SubjectPublicKeyInfo::from_der(key.raw)
            .map_err(|error| Error::Unsupported(format!("the key of the request: {error}")))?;
        Ok(Self { key })
    }

    /// The key that the certificate is for.
    pub fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }
}

fn check_strength(key: &ParsedKey<'_>) -> Result<(), Error> {
    let parsed = key.parsed().map_err(|error| Error::unreadable("the key of the request", error))?;
    match parsed {
        PublicKey::RSA(rsa) => {
            let bits = bits(rsa.modulus);
            if bits < MIN_RSA_BITS {
                return Err(Error::WeakKey(format!("RSA with {bits} bits, and {MIN_RSA_BITS} is the least")));
            }
            if bits > MAX_RSA_BITS {
                return Err(Error::Unsupported(format!("RSA with {bits} bits: {MAX_RSA_BITS} is the most")));
            }
            if rsa.try_exponent().is_ok_and(|exponent| exponent < 3) {
                return Err(Error::WeakKey("its public exponent is less than 3".to_owned()));
            }
            Ok(())
        }
        PublicKey::EC(_) => {
            let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            if curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384) {
                return Ok(());
            }
            Err(Error::Unsupported("elliptic curves other than P-256 and P-384".to_owned()))
        }
        PublicKey::Unknown(_) if key.algorithm.algorithm == OID_SIG_ED25519 => Ok(()),
        _ => Err(Error::Unsupported("the kind of key of the request".to_owned())),
    }
}

/// Bits of a big-endian number.
fn bits(number: &[u8]) -> usize {
    let significant = number.iter().skip_while(|byte| **byte == 0);
    let mut bytes = significant.clone();
    let top = bytes.next().map_or(0, |byte| 8 - byte.leading_zeros() as usize);
    top + bytes.count() * 8
}

/// Makes a request for the holder of `key`. The identity is a courtesy to authorities that look: the mesh's own does not.
///
/// # Errors
/// When the key can't sign.
pub fn make(key: &KeyPair, identity: Option<&SpiffeId>) -> Result<String, Error> {
    let unreadable = |error| Error::unreadable("a new certificate request", error);
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    if let Some(identity) = identity {
        let uri = identity.to_string().try_into().map_err(unreadable)?;
        params.subject_alt_names.push(SanType::URI(uri));
    }
    params.serialize_request(key).and_then(|request| request.pem()).map_err(unreadable)
}

/// Makes a request for a server that goes by `names`.
///
/// # Errors
/// When the key can't sign, or a name is none.
pub fn make_for_server(key: &KeyPair, names: &[String]) -> Result<String, Error> {
    let unreadable = |error| Error::unreadable("a new certificate request", error);
    let mut params = CertificateParams::new(names).map_err(unreadable)?;
    params.distinguished_name = DistinguishedName::new();
    params.serialize_request(key).and_then(|request| request.pem()).map_err(unreadable)
}

#[cfg(test)]
mod tests;
