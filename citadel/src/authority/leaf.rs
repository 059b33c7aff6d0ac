//! Signs leaves: certificates of workloads, and the control plane's own.
//!
//! In: a public key, whom it is for, how long. Out: a certificate whose every field is decided here.

use std::time::{Duration, SystemTime};

use aws_lc_rs::rand;
use mesh_pki::SpiffeId;
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, PublicKeyData,
    SanType, SerialNumber,
};

use super::State;

/// Clocks differ: certificates begin to be valid a little before they are made.
const CLOCK_SKEW: Duration = Duration::from_secs(120);

/// A certificate that was made.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// In PEM.
    pub pem: String,
    /// In hexadecimal.
    pub serial: String,
    /// When it expires.
    pub not_after: SystemTime,
}

/// Why a certificate could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the certificate could not be made: {0}")]
pub struct LeafError(String);

impl LeafError {
    fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl State {
    /// A workload's certificate.
    ///
    /// # Errors
    /// When the key of this authority does not sign.
    pub fn sign_workload(
        &self,
        key: &impl PublicKeyData,
        identity: &SpiffeId,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Leaf, LeafError> {
        let uri = identity.to_string().try_into().map_err(LeafError::new)?;
        self.sign(key, vec![SanType::URI(uri)], lifetime, now)
    }

    /// A server's certificate.
    ///
    /// # Errors
    /// When a name is not one, or the key of this authority does not sign.
    pub fn sign_server(
        &self,
        key: &impl PublicKeyData,
        names: &[String],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Leaf, LeafError> {
        let named = CertificateParams::new(names).map_err(LeafError::new)?;
        self.sign(key, named.subject_alt_names, lifetime, now)
    }

    fn sign(
        &self,
        key: &impl PublicKeyData,
        names: Vec<SanType>,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Leaf, LeafError> {
        if now >= self.facts.not_after {
            return Err(LeafError::new("the signing certificate has ended: nobody would take what it signs"));
        }
        // Nothing may outlive what it is signed by: it would be refused before it expires.
        let not_after = (now + lifetime).min(self.facts.not_after);
        let not_before = (now - CLOCK_SKEW).max(self.facts.not_before);
        let serial = random_serial()?;
        let mut params = CertificateParams::default();
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        params.serial_number = Some(SerialNumber::from_slice(&serial));
        // An empty subject makes the names critical, which is what SPIFFE asks for.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(key, &self.issuer).map_err(LeafError::new)?;
        let serial = serial.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Leaf { pem: mesh_pki::bundle::certificate_pem(certificate.der()), serial, not_after })
    }
}

/// 16 random bytes, positive and of full length.
fn random_serial() -> Result<[u8; 16], LeafError> {
    let mut serial = [0; 16];
    rand::fill(&mut serial).map_err(|_| LeafError::new("the system has no randomness"))?;
    serial[0] = serial[0] & 0x3f | 0x40;
    Ok(serial)
}
