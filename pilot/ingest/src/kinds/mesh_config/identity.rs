//! What mesh settings say of identity: `trustDomain`, `trustDomainAliases` and `caCertificates`.
//!
//! In: the settings' text. Out: names and PEM for the certificate authority, which needs nothing else of them, and what is not taken.

use crate::{at::At, document};
use mesh_model::{MeshConfig, Problem, Reason, Str, TrustedRoots};
use schemars::JsonSchema;
use serde::Deserialize;

/// The trust domain of a mesh whose settings name none.
pub const DEFAULT: &str = "cluster.local";

/// What mesh settings say of identity.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentitySettings {
    /// `trustDomain`.
    pub trust_domain: Option<String>,
    /// `trustDomainAliases`.
    pub trust_domain_aliases: Vec<String>,
    /// Those of `caCertificates` that are taken.
    pub roots: Vec<RootSettings>,
    /// Why others are not, each with its path.
    pub left_out: Vec<String>,
}

impl From<&MeshConfig> for IdentitySettings {
    /// For an authority beside a control plane that has read the settings: what is left out has been told.
    fn from(config: &MeshConfig) -> Self {
        let texts = |texts: &[Str]| texts.iter().map(ToString::to_string).collect();
        let roots = config.ca_certificates.iter().map(|TrustedRoots { pem, cert_signers }| RootSettings {
            pem: pem.to_string(),
            cert_signers: texts(cert_signers),
        });
        Self {
            trust_domain: Some(config.trust_domain.to_string()),
            trust_domain_aliases: texts(&config.trust_domain_aliases),
            roots: roots.collect(),
            left_out: Vec::new(),
        }
    }
}

/// Roots that workloads trust besides the authority's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSettings {
    /// Certificates.
    pub pem: String,
    /// Signers of the Kubernetes API whose roots they are.
    pub cert_signers: Vec<String>,
}

/// An entry of `caCertificates`, as it is written.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CaCertificate {
    /// The certificates.
    pem: Option<String>,
    /// Where certificates are fetched.
    spiffe_bundle_url: Option<String>,
    /// Signers of the Kubernetes API whose roots they are.
    #[serde(default)]
    cert_signers: Vec<String>,
    /// Trust domains that they are roots of.
    #[serde(default)]
    trust_domains: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    trust_domain: Option<String>,
    #[serde(default)]
    trust_domain_aliases: Vec<String>,
    #[serde(default)]
    ca_certificates: Vec<CaCertificate>,
}

/// Why an entry is left out: of its field, what, and what to do instead.
struct LeftOut {
    field: &'static str,
    reason: Reason,
    message: String,
    hint: &'static str,
}

/// Reads the text of mesh settings. An empty one says nothing.
///
/// # Errors
/// When it can't be read.
pub fn read_identity(text: &str) -> Result<IdentitySettings, Problem> {
    let settings = document::parse_text(text)?;
    if settings.is_null() {
        return Ok(IdentitySettings::default());
    }
    let written = serde_path_to_error::deserialize(settings);
    let Written { trust_domain, trust_domain_aliases, ca_certificates } = written.map_err(|error| {
        let path = error.path().to_string();
        Problem::error(Reason::Malformed, path, error.into_inner().to_string())
            .hint("write the setting as Istio's MeshConfig has it")
    })?;
    let trust_domain = trust_domain.filter(|domain| !domain.is_empty());
    let own = |domain: &str| {
        trust_domain.as_deref().unwrap_or(DEFAULT) == domain
            || trust_domain_aliases.iter().any(|own| own == domain)
    };
    let (mut roots, mut left_out) = (Vec::new(), Vec::new());
    for (index, entry) in ca_certificates.into_iter().enumerate() {
        match entry.judge(own) {
            Ok(taken) => roots.push(taken),
            Err(LeftOut { field, reason: _, message, hint }) => {
                left_out.push(format!("caCertificates[{index}].{field}: {message} ({hint})"));
            }
        }
    }
    Ok(IdentitySettings { trust_domain, trust_domain_aliases, roots, left_out })
}

/// Those of `caCertificates` that are taken; tells what is left out.
pub fn parse(
    entries: Vec<CaCertificate>,
    own: impl Fn(&str) -> bool + Copy,
    at: &At<'_>,
) -> Vec<TrustedRoots> {
    let mut taken = Vec::new();
    for (index, entry) in entries.into_iter().enumerate() {
        match entry.judge(own) {
            Ok(RootSettings { pem, cert_signers }) => {
                let cert_signers = cert_signers.into_iter().map(Str::from).collect();
                taken.push(TrustedRoots { pem: pem.into(), cert_signers });
            }
            Err(LeftOut { field, reason, message, hint }) => {
                at.index(index).field(field).error_hint(reason, message, hint);
            }
        }
    }
    taken
}

impl CaCertificate {
    fn judge(self, own: impl Fn(&str) -> bool) -> Result<RootSettings, LeftOut> {
        let Self { pem, spiffe_bundle_url, cert_signers, trust_domains } = self;
        let no = |field, reason, message: String, hint| Err(LeftOut { field, reason, message, hint });
        if let Some(foreign) = trust_domains.iter().find(|domain| !own(domain)) {
            let message = format!("`{foreign}` is no trust domain of this mesh; these roots are left out");
            let hint = "roots are trusted for every identity here, and so only those of this mesh and its aliases are taken";
            return no("trustDomains", Reason::NotSupported, message, hint);
        }
        if spiffe_bundle_url.is_some_and(|url| !url.is_empty()) {
            let message = "roots are not fetched; these are left out".to_owned();
            return no("spiffeBundleUrl", Reason::NotSupported, message, "write the certificates as `pem`");
        }
        match pem.filter(|pem| !pem.is_empty()) {
            Some(pem) if pem.contains("-----BEGIN CERTIFICATE-----") => {
                Ok(RootSettings { pem, cert_signers })
            }
            Some(_) => {
                let message = "there is no certificate in it; it is left out".to_owned();
                no(
                    "pem",
                    Reason::InvalidValue,
                    message,
                    "write blocks that begin with -----BEGIN CERTIFICATE-----",
                )
            }
            None => {
                let message = "there is nothing to trust".to_owned();
                no("pem", Reason::Required, message, "write the certificates here")
            }
        }
    }
}
