//! Whether a certificate is what somebody else's authority should have made.
//!
//! In: a certificate, what is between it and a root, and the roots. Out: that a TLS peer would take it as a client's.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::WebPkiClientVerifier,
};

use crate::{Error, TrustBundle, facts, tls};

/// Checks signatures, lifetimes, constraints and usages from `leaf` to one of `trusted`.
///
/// # Errors
/// When one of them does not hold.
pub fn verify(
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    trusted: &TrustBundle,
    now: SystemTime,
) -> Result<(), Error> {
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted.store()), tls::provider())
        .build()
        .map_err(|error| Error::Mismatch(format!("the trusted roots: {error}")))?;
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    verifier.verify_client_cert(leaf, between, now).map(drop).map_err(|error| {
        Error::Mismatch(format!("the certificate does not chain to a trusted root: {error}"))
    })
}

/// The same of a server, which must be called by each of `names`.
///
/// # Errors
/// When one of them does not hold.
pub fn verify_server(
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    trusted: &TrustBundle,
    names: &[String],
    now: SystemTime,
) -> Result<(), Error> {
    let mismatch =
        |error: &dyn std::fmt::Display| Error::Mismatch(format!("the server's certificate: {error}"));
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(trusted.store()), tls::provider());
    let verifier = verifier.build().map_err(|error| mismatch(&error))?;
    let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
    for name in names {
        let name = ServerName::try_from(name.as_str()).map_err(|error| mismatch(&error))?;
        verifier.verify_server_cert(leaf, between, &name, &[], now).map_err(|error| mismatch(&error))?;
    }
    Ok(())
}

/// Certificates from `leaf`, which is not among them, to below a root of `trusted`, and that root. Order and surplus in `above` make no
/// difference: people write chains in every order, with the root and without.
pub fn path(
    leaf: &CertificateDer<'static>,
    above: &[CertificateDer<'static>],
    trusted: &TrustBundle,
) -> Option<(Vec<CertificateDer<'static>>, CertificateDer<'static>)> {
    const LONGEST: usize = 8;
    let mut path: Vec<CertificateDer<'static>> = Vec::new();
    let mut current = leaf.clone();
    while path.len() < LONGEST {
        if let Some(root) = trusted.roots().iter().find(|root| facts::is_signed_by(&current, root)) {
            return Some((path, root.clone()));
        }
        let next = above
            .iter()
            .find(|candidate| **candidate != current && facts::is_signed_by(&current, candidate))?
            .clone();
        path.push(next.clone());
        current = next;
    }
    None
}
