//! Certificates as a mesh issues them, and such as it must not take.

use anyhow::{Context, Result};
use meltemi_agent::Identity;
use mesh_pki::{Credential, Facts, TrustBundle, credential::read_certificates};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use std::{
    fs,
    path::Path,
    time::{Duration, SystemTime},
};

const HOUR: Duration = Duration::from_secs(3600);

/// A root that signs whatever it is asked to.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// When a certificate is good.
#[derive(Clone, Copy)]
pub enum Validity {
    Now,
    Past,
}

/// A certificate and its key, in PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its own certificate, in PEM.
    pub fn root(&self) -> String {
        self.issuer.pem()
    }

    /// For the identity `spiffe`.
    pub fn issue(&self, spiffe: &str, validity: Validity) -> Result<Pair> {
        self.sign(vec![SanType::URI(spiffe.try_into()?)], DistinguishedName::new(), validity)
    }

    /// For a name of DNS alone, as servers outside the mesh have it.
    pub fn issue_name(&self, name: &str) -> Result<Pair> {
        self.sign(vec![SanType::DnsName(name.try_into()?)], DistinguishedName::new(), Validity::Now)
    }

    /// The same of a workload that has a name of DNS, too.
    pub fn identity_called(&self, spiffe: &str, name: &str) -> Result<Identity> {
        let names = vec![SanType::URI(spiffe.try_into()?), SanType::DnsName(name.try_into()?)];
        let mut subject = DistinguishedName::new();
        subject.push(DnType::CommonName, name);
        self.trusted(&self.sign(names, subject, Validity::Now)?)
    }

    fn sign(&self, names: Vec<SanType>, subject: DistinguishedName, validity: Validity) -> Result<Pair> {
        let mut params = CertificateParams::default();
        params.distinguished_name = subject;
        params.subject_alt_names = names;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        if matches!(validity, Validity::Past) {
            (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 1, 2));
        }
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Pair { certificate, key: key.serialize_pem() })
    }

    /// Says in PEM which of its certificates are no longer good.
    pub fn revoke(&self, certificates: &[&str]) -> Result<String> {
        let now = SystemTime::now();
        let mut revoked_certs = Vec::new();
        for pem in certificates {
            let certificate = read_certificates(pem)?;
            let serial = hex(&Facts::read(certificate.first().context("no certificate")?)?.serial)?;
            revoked_certs.push(RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: (now - HOUR).into(),
                reason_code: None,
                invalidity_date: None,
            });
        }
        let list = CertificateRevocationListParams {
            this_update: (now - HOUR).into(),
            next_update: (now + HOUR).into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs,
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.issuer)?.pem()?)
    }

    /// What a workload has that this root vouches for.
    pub fn identity(&self, spiffe: &str) -> Result<Identity> {
        self.identity_of(spiffe, Validity::Now)
    }

    /// The same, with a certificate that may be good no longer.
    pub fn identity_of(&self, spiffe: &str, validity: Validity) -> Result<Identity> {
        self.trusted(&self.issue(spiffe, validity)?)
    }

    fn trusted(&self, pair: &Pair) -> Result<Identity> {
        let Pair { certificate, key } = pair;
        let trusted = TrustBundle::from_pem(&self.issuer.pem())?;
        let credential = Credential::from_pem(certificate, key)?;
        Ok(Identity { credential, trusted, revoked: None })
    }
}

fn hex(text: &str) -> Result<Vec<u8>> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16));
    Ok(pairs.collect::<Result<_, _>>()?)
}

impl Pair {
    /// Into files of these names.
    pub fn write(&self, certificate: &Path, key: &Path) -> Result<()> {
        fs::write(certificate, &self.certificate)?;
        Ok(fs::write(key, &self.key)?)
    }
}
