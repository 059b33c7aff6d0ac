//! What a certificate says, for those who must decide or tell about it.
//!
//! In: DER. Out: plain data. Nothing here is verified: a fact is only as good as the chain it came with.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, prelude::X509Certificate};

use crate::{Error, SpiffeId};

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// In hexadecimal.
    pub serial: String,
    /// Whom it is for, as a distinguished name.
    pub subject: String,
    /// Who signed it, as a distinguished name.
    pub issuer: String,
    /// When it begins to be valid.
    pub not_before: SystemTime,
    /// When it ends to be valid.
    pub not_after: SystemTime,
    /// URI names; a workload has exactly one.
    pub uris: Vec<String>,
    /// DNS names.
    pub dns_names: Vec<String>,
    /// Whether it may sign others.
    pub is_ca: bool,
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(certificate: &CertificateDer<'_>) -> Result<Self, Error> {
        let unreadable = |error: &dyn std::fmt::Display| Error::unreadable("the certificate", error);
        let (rest, parsed) =
            x509_parser::parse_x509_certificate(certificate).map_err(|error| unreadable(&error))?;
        if !rest.is_empty() {
            return Err(unreadable(&"something follows it"));
        }
        let (mut uris, mut dns_names) = (Vec::new(), Vec::new());
        if let Some(names) = parsed.subject_alternative_name().map_err(|error| unreadable(&error))? {
            for name in &names.value.general_names {
                match name {
                    GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                    GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                    _ => {}
                }
            }
        }
        Ok(Self {
            serial: hex(parsed.raw_serial()),
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            not_before: time(parsed.validity().not_before.timestamp()),
            not_after: time(parsed.validity().not_after.timestamp()),
            uris,
            dns_names,
            is_ca: parsed.is_ca(),
        })
    }

    /// The workload that it is for.
    ///
    /// # Errors
    /// When it names no workload, or more than one, or may sign.
    pub fn workload(&self) -> Result<SpiffeId, Error> {
        if self.is_ca {
            return Err(Error::Mismatch("a certificate that may sign others is no workload's".to_owned()));
        }
        match &*self.uris {
            [uri] => uri.parse(),
            uris => {
                Err(Error::Mismatch(format!("the certificate has {} URI names instead of one", uris.len())))
            }
        }
    }

    /// How long it is still valid; zero when it no longer is.
    pub fn remaining(&self, now: SystemTime) -> Duration {
        self.not_after.duration_since(now).unwrap_or_default()
    }

    /// Whether it is valid now.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// Whether `issuer` has signed `certificate`.
pub fn is_signed_by(certificate: &CertificateDer<'_>, issuer: &CertificateDer<'_>) -> bool {
    let parse = |der| x509_parser::parse_x509_certificate(der).ok().map(|(_, parsed)| parsed);
    let (Some(child), Some(parent)): (Option<X509Certificate<'_>>, Option<X509Certificate<'_>>) =
        (parse(certificate), parse(issuer))
    else {
        return false;
    };
    child.issuer() == parent.subject() && child.verify_signature(Some(parent.public_key())).is_ok()
}

/// The key that a certificate is for, as a DER `SubjectPublicKeyInfo`.
///
/// # Errors
/// When it is no certificate.
pub fn public_key(certificate: &CertificateDer<'_>) -> Result<Vec<u8>, Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| Error::unreadable("the certificate", error))?;
    Ok(parsed.public_key().raw.to_vec())
}

/// A time of a certificate or a list.
pub(crate) fn time(timestamp: i64) -> SystemTime {
    match u64::try_from(timestamp) {
        Ok(seconds) => UNIX_EPOCH + Duration::from_secs(seconds),
        Err(_) => UNIX_EPOCH,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
