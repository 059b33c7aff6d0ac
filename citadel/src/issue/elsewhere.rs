//! What is the same with every authority elsewhere: what it is asked, and whether its answer is taken.
//!
//! In: an order, and what the authority has answered. Out: the certificate, if it is for that key and identity, signs for nobody, and chains
//! to the roots that workloads were told to trust. An authority elsewhere may grant what a request asks for; so a request that asks for more
//! than its caller's identity never gets there.

use std::time::SystemTime;

use mesh_pki::{
    Facts, TrustBundle, bundle::certificate_pem, chain, credential::read_certificates, facts,
    pki_types::CertificateDer, request::ask_only_for,
};
use rcgen::{KeyPair, PublicKeyData as _};

use super::{IssueError, Issued, Order};
use crate::authority::State;

/// Longest answer that is read, in bytes: a few certificates with the longest keys.
pub(super) const MAX_ANSWER: usize = 128 * 1024;

/// Checks that an order may be handed on.
pub(super) fn admit(order: &Order) -> Result<(), IssueError> {
    ask_only_for(&order.request_pem, &order.identity)
        .map_err(|error| IssueError::Request(format!("CSR: {error}")))
}

/// Makes of an answer what the caller gets. `state` knows the roots of authorities elsewhere, and all that workloads are to trust.
pub(super) fn accept(
    answer: &str,
    order: &Order,
    state: &State,
    now: SystemTime,
) -> Result<Issued, IssueError> {
    let roots = state.signers().ok_or_else(|| {
        let why = "no roots were given for the authority elsewhere: name them by --external-ca-roots, or in `caCertificates` of the mesh \
                   settings with its `certSigners`";
        IssueError::Internal(why.to_owned())
    })?;
    let (leaf, above) = read(answer)?;
    let leaf = &leaf;
    let said = Facts::read(leaf).map_err(|error| wrong(&error))?;
    let whose = said.workload().map_err(|error| wrong(&error))?;
    if whose != order.identity || !said.dns_names.is_empty() {
        return Err(wrong(&format_args!("it is for {whose} instead of {}", order.identity)));
    }
    let key = facts::public_key(leaf).map_err(|error| wrong(&error))?;
    if key != order.request.key().subject_public_key_info() {
        return Err(wrong(&"it is for another key"));
    }
    let no_path = || wrong(&"it does not chain to the roots that were given for that authority");
    let (between, _) = chain::path(leaf, &above, roots).ok_or_else(no_path)?;
    chain::verify(leaf, &between, roots, now).map_err(|error| wrong(&error))?;
    Ok(issued(leaf, &between, &said, state.bundle()))
}

/// Makes of an answer what the control plane shows on its own port: the chain, in PEM. It must be for `key` and the first of `names`, and
/// chain to what workloads trust.
pub(super) fn accept_server(
    answer: &str,
    key: &KeyPair,
    names: &[String],
    trusted: &TrustBundle,
    now: SystemTime,
) -> Result<String, IssueError> {
    let (leaf, above) = read(answer)?;
    let said = Facts::read(&leaf).map_err(|error| wrong(&error))?;
    if let Some(name) = names.iter().find(|name| !said.dns_names.contains(name)) {
        return Err(wrong(&format_args!("it is not for {name}")));
    }
    let found = facts::public_key(&leaf).map_err(|error| wrong(&error))?;
    if found != key.subject_public_key_info() {
        return Err(wrong(&"it is for another key"));
    }
    let (between, _) = chain::path(&leaf, &above, trusted).ok_or_else(|| {
        wrong(&"workloads are not told to trust its root: name that by --external-ca-roots")
    })?;
    chain::verify_server(&leaf, &between, trusted, names, now).map_err(|error| wrong(&error))?;
    Ok(std::iter::once(&leaf).chain(&between).map(certificate_pem).collect())
}

fn wrong(what: &dyn std::fmt::Display) -> IssueError {
    IssueError::Internal(format!("what the authority elsewhere has answered is not taken: {what}"))
}

/// The certificate, and those that came with it.
fn read(answer: &str) -> Result<(CertificateDer<'static>, Vec<CertificateDer<'static>>), IssueError> {
    if answer.len() > MAX_ANSWER {
        return Err(wrong(&"it is too long"));
    }
    let mut certificates = read_certificates(answer).map_err(|error| wrong(&error))?.into_iter();
    let leaf = certificates.next().ok_or_else(|| wrong(&"there is no certificate"))?;
    Ok((leaf, certificates.collect()))
}

fn issued(
    leaf: &CertificateDer<'static>,
    between: &[CertificateDer<'static>],
    said: &Facts,
    trusted: &TrustBundle,
) -> Issued {
    let mut chain: Vec<String> = std::iter::once(leaf).chain(between).map(certificate_pem).collect();
    chain.push(trusted.pem().to_owned());
    Issued { chain, serial: said.serial.clone(), not_after: said.not_after, bundle: trusted.digest() }
}
