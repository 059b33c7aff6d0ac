//! Who vouches for a server outside the mesh and for its clients, and says which of them are good no longer.

use anyhow::Result;
use mesh_pki::Credential;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DistinguishedName,
    DnType, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber,
};
use std::time::{Duration, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);

/// Signs for both sides.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    /// Authorities are told apart by their names.
    pub fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Its own certificate.
    pub fn root(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: SanType) -> Result<Credential> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![name];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?.pem();
        Ok(Credential::from_pem(&certificate, &key.serialize_pem())?)
    }

    /// A client's, that says which one it is.
    pub fn client(&self, name: &str) -> Result<Credential> {
        self.issue(SanType::URI(format!("spiffe://outside/ns/a/sa/{name}").as_str().try_into()?))
    }

    /// A server's, for `host`.
    pub fn server(&self, host: &str) -> Result<Credential> {
        self.issue(SanType::DnsName(host.try_into()?))
    }

    /// A list that says which one is good no longer.
    pub fn revoke(&self, credential: &Credential) -> Result<String> {
        let serial = &credential.facts().serial;
        let bytes = (0..serial.len()).step_by(2).map(|at| u8::from_str_radix(&serial[at..at + 2], 16));
        let now = SystemTime::now();
        let list = CertificateRevocationListParams {
            this_update: (now - HOUR).into(),
            next_update: (now + HOUR).into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(bytes.collect::<Result<Vec<u8>, _>>()?),
                revocation_time: (now - HOUR).into(),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        Ok(list.signed_by(&self.0)?.pem()?)
    }
}
