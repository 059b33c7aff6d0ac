//! Who signs for workloads, by flags.
//!
//! In: flags and files. Out: the authority's setting. What istiod has and this has not is told.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use citadel::{AuthorityElsewhere, ServingSigner, Signer, SignerName};
use mesh_pki::{Credential, TrustBundle};

use crate::{args::signer::SignerArgs, output};

/// Where istiod looks for the roots of another authority.
const ROOTS: &str = "etc/external-ca-cert/root-cert.pem";
/// Where istiod looks for its own certificate, its key, and what that chains to.
const ISTIODS: [&str; 4] = [
    "var/run/secrets/istiod/tls/tls.crt",
    "var/run/secrets/istiod/tls/tls.key",
    "var/run/secrets/istiod/ca/root-cert.pem",
    "var/run/secrets/istiod/tls/ca.crt",
];
/// What signers of the API server itself chain to.
const CLUSTER_ROOTS: &str = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";

/// Reads the flags.
pub fn signer(args: SignerArgs) -> Result<Signer> {
    let SignerArgs {
        external_ca,
        k8s_signer,
        cert_signer_domain,
        cert_provider,
        tls_cert_file: _, // Of the control plane's own.
        tls_key_file: _,
        ca_cert_file: _,
        external_ca_address,
        external_ca_roots,
        external_ca_token,
        external_ca_certificate,
        external_ca_key,
    } = args;
    let [external_ca, k8s_signer, cert_signer_domain, cert_provider, external_ca_address] =
        [external_ca, k8s_signer, cert_signer_domain, cert_provider, external_ca_address]
            .map(|text| text.filter(|text| !text.is_empty()));
    let provided = provided(cert_provider.as_deref());
    if let Some(address) = external_ca_address {
        ensure!(
            external_ca.is_none(),
            "--external-ca and --external-ca-address: there is one authority elsewhere"
        );
        let path = external_ca_roots.unwrap_or_else(|| ROOTS.into());
        let credential = match external_ca_certificate.zip(external_ca_key) {
            Some((certificate, key)) => {
                let pair = Credential::from_pem(&read(&certificate)?, &read(&key)?);
                Some(pair.with_context(|| format!("{} and {}", certificate.display(), key.display()))?)
            }
            None => None,
        };
        let roots = roots(&path)?;
        return Ok(Signer::Elsewhere(Box::new(AuthorityElsewhere {
            address,
            roots,
            credential,
            token: external_ca_token,
        })));
    }
    match external_ca.as_deref() {
        None => return Ok(Signer::Own),
        Some("ISTIOD_RA_KUBERNETES_API") => {}
        Some(other) => bail!(
            "--external-ca (EXTERNAL_CA) `{other}` is not supported (NotSupported): it is ISTIOD_RA_KUBERNETES_API, or \
             --external-ca-address names an authority that speaks Istio's protocol"
        ),
    }
    let usual = k8s_signer.or(provided);
    ensure!(
        usual.is_some() || cert_signer_domain.is_some(),
        "--external-ca ISTIOD_RA_KUBERNETES_API needs a signer: --k8s-signer (K8S_SIGNER) names one, or --cert-signer-domain \
         (CERT_SIGNER_DOMAIN) the domain of those that workloads name"
    );
    let by_default = || {
        let usual = (cert_signer_domain.is_none()).then_some(CLUSTER_ROOTS);
        std::iter::once(ROOTS).chain(usual).map(PathBuf::from).find(|path| path.exists())
    };
    let roots = external_ca_roots.or_else(by_default).map(|path| roots(&path)).transpose()?;
    Ok(Signer::Kubernetes { name: SignerName { usual, domain: cert_signer_domain }, roots })
}

/// The signer that PILOT_CERT_PROVIDER names.
fn provided(provider: Option<&str>) -> Option<String> {
    provider?.strip_prefix("k8s.io/").filter(|signer| !signer.is_empty()).map(str::to_owned)
}

/// Who signs the control plane's own certificate.
pub fn serving(args: &SignerArgs) -> Result<ServingSigner> {
    if let Some(files) = files(args)? {
        return Ok(files);
    }
    let provider = args.cert_provider.as_deref().filter(|provider| !matches!(*provider, "" | "istiod"));
    let Some(provider) = provider else { return Ok(ServingSigner::Own) };
    let Some(name) = provided(Some(provider)) else {
        output::warn(&format!(
            "--cert-provider (PILOT_CERT_PROVIDER) `{provider}` is not supported (NotSupported): the control plane's own certificate is \
             signed by this authority; `k8s.io/SIGNER` has it signed by a signer of the Kubernetes API"
        ));
        return Ok(ServingSigner::Own);
    };
    // The cluster's own authority is what signers of Kubernetes itself chain to; of others, nobody can tell.
    let of_cluster = name.starts_with("kubernetes.io/").then_some(CLUSTER_ROOTS);
    let mut usual = std::iter::once(ROOTS).chain(of_cluster).map(PathBuf::from);
    let path = args.external_ca_roots.clone().or_else(|| usual.find(|path| path.exists()));
    Ok(ServingSigner::Kubernetes { name, roots: path.map(|path| roots(&path)).transpose()? })
}

/// Files with the control plane's own certificate: those that are named, or those that stand where istiod looks.
fn files(args: &SignerArgs) -> Result<Option<ServingSigner>> {
    let [certificate, key, root, root_beside] = ISTIODS.map(PathBuf::from);
    let (certificate, key) = match (&args.tls_cert_file, &args.tls_key_file) {
        (Some(certificate), Some(key)) => (certificate.clone(), key.clone()),
        _ if certificate.exists() && key.exists() => (certificate, key),
        _ => return Ok(None),
    };
    let named = args.ca_cert_file.clone();
    let root = named.or_else(|| [root, root_beside].into_iter().find(|path| path.exists()));
    Ok(Some(ServingSigner::Files { certificate, key, roots: root.map(|path| roots(&path)).transpose()? }))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn roots(path: &Path) -> Result<TrustBundle> {
    TrustBundle::from_pem(&read(path)?)
        .with_context(|| format!("{}: roots of an authority elsewhere", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(change: impl FnOnce(&mut SignerArgs)) -> Result<Signer> {
        let mut args = SignerArgs::default();
        change(&mut args);
        signer(args)
    }

    #[test]
    fn istiods_settings_mean_what_they_mean_there() {
        let set = |text: &str| Some(text.to_owned());
        assert!(matches!(asked(|_| ()), Ok(Signer::Own)));
        // A provider of istiod's own certificate is nobody who signs for workloads.
        assert!(matches!(asked(|args| args.cert_provider = set("k8s.io/a.io/b")), Ok(Signer::Own)));
        let signer = asked(|args| {
            args.external_ca = set("ISTIOD_RA_KUBERNETES_API");
            args.cert_provider = set("k8s.io/a.io/b");
            args.cert_signer_domain = set("a.io");
        });
        let own =
            |provider: &str| serving(&SignerArgs { cert_provider: set(provider), ..SignerArgs::default() });
        assert_eq!(own("istiod").unwrap(), ServingSigner::Own);
        assert_eq!(own("kubernetes").unwrap(), ServingSigner::Own);
        let by = ServingSigner::Kubernetes { name: "a.io/b".to_owned(), roots: None };
        assert_eq!(own("k8s.io/a.io/b").unwrap(), by);
        let Ok(Signer::Kubernetes { name, .. }) = signer else { panic!("no signer") };
        assert_eq!(name, SignerName { usual: set("a.io/b"), domain: set("a.io") });
    }

    #[test]
    fn what_can_not_be_is_told_with_what_to_write_instead() {
        let set = |text: &str| Some(text.to_owned());
        let told = |change: fn(&mut SignerArgs)| format!("{:#}", asked(change).err().unwrap());
        assert!(
            told(|args| args.external_ca = Some("ISTIOD_RA_ISTIO_API".into()))
                .contains("--external-ca-address")
        );
        assert!(
            told(|args| args.external_ca = Some("ISTIOD_RA_KUBERNETES_API".into())).contains("K8S_SIGNER")
        );
        let both = asked(|args| {
            args.external_ca = set("ISTIOD_RA_KUBERNETES_API");
            args.external_ca_address = set("ca:15012");
        });
        assert!(both.is_err());
    }
}
