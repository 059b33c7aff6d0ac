//! Private keys: made here or read, of the kinds that the mesh issues for.

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, RsaKeySize};

use crate::Error;

/// Kinds of keys that are made on request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KeyKind {
    /// The default: small and fast.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

impl std::str::FromStr for KeyKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "p256" | "p-256" | "ecdsa" => Ok(Self::P256),
            "p384" | "p-384" => Ok(Self::P384),
            "rsa" | "rsa2048" => Ok(Self::Rsa2048),
            "rsa4096" => Ok(Self::Rsa4096),
            _ => Err(Error::Unsupported(format!("`{text}` is not one of p256, p384, rsa2048, rsa4096"))),
        }
    }
}

/// Makes a key.
///
/// # Errors
/// When the system has no randomness.
pub fn generate(kind: KeyKind) -> Result<KeyPair, Error> {
    let made = match kind {
        KeyKind::P256 => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        KeyKind::P384 => KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384),
        KeyKind::Rsa2048 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
        KeyKind::Rsa4096 => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_4096),
    };
    made.map_err(|error| Error::unreadable("a new key", error))
}

/// Reads a key: PKCS #8, SEC 1 or PKCS #1, in PEM.
///
/// # Errors
/// When it is none of these, or of a kind that can't sign here.
pub fn read(pem: &str) -> Result<KeyPair, Error> {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
    // Not rcgen's own reader: it takes the first block, which for `openssl ecparam` is the curve.
    let der = PrivateKeyDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| Error::unreadable("the private key", error))?;
    KeyPair::try_from(&der).map_err(|error| Error::unreadable("the private key", error))
}
