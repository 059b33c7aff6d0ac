//! Who the workload is at the moment: its certificate and key, and whom it trusts.
//!
//! In: the authority's answer. Out: one value that is replaced as a whole, so that a certificate is never shown with the roots of another.

use mesh_pki::{Credential, Revocations, TrustBundle};

/// A certificate with its key, and the roots that came with it.
#[derive(Debug, Clone)]
pub struct Identity {
    /// What the workload shows.
    pub credential: Credential,
    /// What others' certificates must come from.
    pub trusted: TrustBundle,
    /// What of that is no longer good, where whoever gave the certificate says so, too.
    pub revoked: Option<Revocations>,
}

impl Identity {
    /// From an answer of the authority (leaf, what is between, and in the last text all roots) and the key that it was asked with.
    ///
    /// # Errors
    /// When the answer is no such chain, or is for another key.
    pub fn from_answer(chain: &[String], key: &str) -> Result<Self, mesh_pki::Error> {
        let Some((roots, chain)) = chain.split_last().filter(|(_, chain)| !chain.is_empty()) else {
            let reason = format!("it has {} parts instead of a certificate and roots", chain.len());
            return Err(mesh_pki::Error::Unreadable { what: "the authority's answer", reason });
        };
        let credential = Credential::from_pem(&chain.concat(), key)?;
        Ok(Self { credential, trusted: TrustBundle::from_pem(roots)?, revoked: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_a_certificate_or_without_roots_is_none() {
        for chain in [vec![], vec!["roots".to_owned()], vec![String::new(), String::new()]] {
            assert!(Identity::from_answer(&chain, "").is_err(), "{chain:?}");
        }
    }
}
