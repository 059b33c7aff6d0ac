//! Whether a certificate is what somebody else's authority should have made.
//!
//! In: a certificate, what is between it and a root, and the roots. Out: that a TLS peer would take it as a client's.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    pki_types::{CertificateDer, UnixTime},
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
