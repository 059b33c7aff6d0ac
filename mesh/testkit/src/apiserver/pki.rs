//! In: the address of the API server. Out: the certificates and keys it needs, as files, and a kubeconfig.

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use anyhow::Result;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

/// Paths of a certificate and its key.
pub(super) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
}

/// Paths of the keys that sign service account tokens.
pub(super) struct TokenKeys {
    pub(super) key: PathBuf,
    pub(super) public: PathBuf,
}

/// All that is written.
pub(super) struct Pki {
    pub(super) ca: PathBuf,
    pub(super) serving: Identity,
    pub(super) admin: Identity,
    pub(super) service_accounts: TokenKeys,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Pki {
    pub(super) fn write(directory: &Path, address: IpAddr) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "test-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let ca = directory.join("ca.crt");
        fs::write(&ca, issuer.pem())?;

        let names = ["localhost", "kubernetes.default.svc"].map(str::to_owned);
        let mut serving = CertificateParams::new(names)?;
        serving.subject_alt_names.push(SanType::IpAddress(address));
        serving.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        serving.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];

        let mut admin = CertificateParams::default();
        admin.distinguished_name.push(DnType::CommonName, "admin");
        admin.distinguished_name.push(DnType::OrganizationName, "system:masters");
        admin.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];

        let pair = KeyPair::generate()?;
        let service_accounts = TokenKeys { key: directory.join("sa.key"), public: directory.join("sa.pub") };
        fs::write(&service_accounts.key, pair.serialize_pem())?;
        fs::write(&service_accounts.public, pair.public_key_pem())?;

        Ok(Self {
            ca,
            serving: Identity::write(directory, "serving", serving, &issuer)?,
            admin: Identity::write(directory, "admin", admin, &issuer)?,
            service_accounts,
        })
    }

    /// For the administrator; it names the files.
    pub(super) fn kubeconfig(&self, server: &str) -> String {
        let Self { ca, serving: _, admin: Identity { certificate, key }, service_accounts: _ } = self;
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        format!(
            "apiVersion: v1\n\
             kind: Config\n\
             clusters: [{{name: test, cluster: {{server: '{server}', certificate-authority: '{ca}'}}}}]\n\
             users: [{{name: admin, user: {{client-certificate: '{certificate}', client-key: '{key}'}}}}]\n\
             contexts: [{{name: test, context: {{cluster: test, user: admin}}}}]\n\
             current-context: test\n"
        )
    }
}

impl Identity {
    fn write(directory: &Path, name: &str, mut params: CertificateParams, issuer: &Issuer) -> Result<Self> {
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let pair = KeyPair::generate()?;
        let certificate = params.signed_by(&pair, issuer)?;
        let paths = Self {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        fs::write(&paths.certificate, certificate.pem())?;
        fs::write(&paths.key, pair.serialize_pem())?;
        Ok(paths)
    }
}
