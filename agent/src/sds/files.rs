//! Secrets that are files beside the proxy: certificates that a DestinationRule names.
//!
//! In: a name as the control plane writes it: `file-cert:CHAIN~KEY`, `file-root:FILE`, or `file-root:FILE~LISTS` with what is revoked. Out: the
//! secret, with a version that is new when the files say something else. Whoever configures the proxy may name any file that the agent can read; only the proxy gets it.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use mesh_proto::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, TlsCertificate, secret::Type,
};
use sha2::{Digest as _, Sha256};

use super::secrets::inline;

const CERTIFICATE: &str = "file-cert:";
const ROOT: &str = "file-root:";
/// `file-root:system`: the authorities of the operating system.
const SYSTEM: &str = "system";

/// Larger than any bundle of authorities.
const MAX_BYTES: u64 = 4 << 20;

/// Where distributions have their authorities.
const SYSTEM_ROOTS: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Whether a secret of this name would be in files.
pub(super) fn is_file(name: &str) -> bool {
    name.starts_with(ROOT) || name.strip_prefix(CERTIFICATE).is_some_and(|files| files.contains('~'))
}

/// Where a secret of this name would be.
pub(super) fn paths(name: &str) -> Vec<PathBuf> {
    if let Some(files) = name.strip_prefix(ROOT) {
        let (file, lists) = authorities_and_lists(files);
        let authorities = match file {
            SYSTEM => SYSTEM_ROOTS.iter().find(|file| Path::new(file).exists()).map(PathBuf::from),
            file => Some(file.into()),
        };
        return authorities.into_iter().chain(lists.map(PathBuf::from)).collect();
    }
    let files = name.strip_prefix(CERTIFICATE).and_then(|files| files.split_once('~'));
    files.map(|(chain, key)| vec![chain.into(), key.into()]).unwrap_or_default()
}

/// The secret as it is now, and its version; `None`: its files can't be read, which may come.
pub(super) fn read(name: &str) -> Option<(String, Type)> {
    if let Some(files) = name.strip_prefix(ROOT) {
        let (file, lists) = authorities_and_lists(files);
        let authorities = match file {
            SYSTEM => SYSTEM_ROOTS.iter().find_map(|file| load(file).ok()).or_else(|| {
                tracing::error!("no bundle of authorities in any of the usual places");
                None
            })?,
            file => loaded(file)?,
        };
        // Lists that can't be read make the secret none: nobody is trusted by mistake. An empty file revokes nobody.
        let lists = match lists {
            Some(lists) => loaded(lists)?,
            None => String::new(),
        };
        let context = CertificateValidationContext {
            trusted_ca: inline(&authorities),
            crl: inline(&lists).filter(|_| !lists.trim().is_empty()),
            ..Default::default()
        };
        return Some((version(&[&authorities, &lists]), Type::ValidationContext(context)));
    }
    let (chain, key) = name.strip_prefix(CERTIFICATE)?.split_once('~')?;
    let (chain, key) = (loaded(chain)?, loaded(key)?);
    let certificate =
        TlsCertificate { certificate_chain: inline(&chain), private_key: inline(&key), ..Default::default() };
    Some((version(&[&chain, &key]), Type::TlsCertificate(certificate)))
}

fn authorities_and_lists(files: &str) -> (&str, Option<&str>) {
    files.split_once('~').map_or((files, None), |(file, lists)| (file, Some(lists)))
}

fn loaded(file: &str) -> Option<String> {
    load(file).map_err(|error| tracing::error!(file, %error, "a certificate or key can't be read")).ok()
}

fn load(file: &str) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

fn version(texts: &[&str]) -> String {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update(text.len().to_be_bytes());
        digest.update(text);
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
