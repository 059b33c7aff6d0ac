//! Makes a root of one's own.

use std::time::{Duration, SystemTime};

use mesh_pki::{
    Error,
    keys::{self, KeyKind},
};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SerialNumber,
};
use zeroize::Zeroizing;

use crate::authority::Material;

/// Clocks differ: a root is valid for so long before it is made.
pub(crate) const SKEW: Duration = Duration::from_secs(300);

/// What a root should be like.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its organization: the trust domain, as in Istio.
    pub organization: String,
    /// The kind of its key.
    pub key: KeyKind,
    /// How long it lives.
    pub lifetime: Duration,
}

/// Makes a root that signs workloads itself.
///
/// # Errors
/// When the system has no randomness.
pub fn self_signed(request: &Request, now: SystemTime) -> Result<Material, Error> {
    let Request { organization, key, lifetime } = request;
    let unmade =
        |error: &dyn std::fmt::Display| Error::Unreadable { what: "a new root", reason: error.to_string() };
    let key = keys::generate(*key)?;
    let mut serial = [0; 16];
    aws_lc_rs::rand::fill(&mut serial).map_err(|error| unmade(&error))?;
    serial[0] = serial[0] & 0x3f | 0x40;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, organization.as_str());
    // Two roots of one mesh must not have one name: verifiers look issuers up by it.
    let hex: String = serial[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    params.distinguished_name.push(DnType::CommonName, format!("root {hex}"));
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params.not_before = (now - SKEW).into();
    params.not_after = (now + *lifetime).into();
    // It signs leaves only.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let certificate = params.self_signed(&key).map_err(|error| unmade(&error))?;
    let pem = mesh_pki::bundle::certificate_pem(certificate.der());
    Ok(Material {
        certificate: pem.clone(),
        key: Zeroizing::new(key.serialize_pem()),
        chain: String::new(),
        roots: pem,
        revocations: None,
    })
}
