//! Which certificates are no longer good, though they have not expired.
//!
//! In: revocation lists in PEM, as their authorities sign them. Out: a set of them, and of which authorities it has lists. That matters:
//! who looks into lists at all refuses what an authority without one has signed.

use std::{ops::Range, sync::Arc, time::SystemTime};

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject};
use sha2::{Digest as _, Sha256};
use x509_parser::{prelude::FromDer as _, revocation_list::CertificateRevocationList};

use crate::{Error, facts};

/// Revocation lists, of one authority or of several.
#[derive(Clone, PartialEq, Eq)]
pub struct Revocations {
    lists: Arc<[CertificateRevocationListDer<'static>]>,
    pem: Arc<str>,
    digest: [u8; 16],
    first: Option<Range<SystemTime>>,
}

impl Revocations {
    /// From PEM; `None` where it has no list.
    ///
    /// # Errors
    /// When a block is broken, or there is text and no block: half a file is not an empty one.
    pub fn from_pem(pem: &str) -> Result<Option<Self>, Error> {
        let unreadable = |error: &dyn std::fmt::Display| Error::unreadable("a revocation list", error);
        let lists = CertificateRevocationListDer::pem_slice_iter(pem.as_bytes());
        let lists: Vec<_> = lists.collect::<Result<_, _>>().map_err(|error| unreadable(&error))?;
        if lists.is_empty() {
            return match pem.trim().is_empty() {
                true => Ok(None),
                false => Err(unreadable(&"there is none in the text")),
            };
        }
        let mut first: Option<Range<SystemTime>> = None;
        for list in &lists {
            let parsed = parse(list).ok_or_else(|| unreadable(&"it is no list"))?;
            let from = facts::time(parsed.last_update().timestamp());
            let life = parsed.next_update().map(|until| from..facts::time(until.timestamp()));
            first = [first, life].into_iter().flatten().min_by_key(|life| life.end);
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&Sha256::digest(pem)[..16]);
        Ok(Some(Self { lists: lists.into(), pem: pem.into(), digest, first }))
    }

    /// From lists in DER; `None` where there are none.
    ///
    /// # Errors
    /// When one of them is none.
    pub fn from_der(lists: &[Vec<u8>]) -> Result<Option<Self>, Error> {
        let blocks = lists.iter().map(|list| pem::encode(&pem::Pem::new("X509 CRL", list.clone())));
        Self::from_pem(&blocks.collect::<String>())
    }

    /// These lists, and those of `other`.
    pub fn with(&self, other: &Self) -> Self {
        // Both are valid, so their union is.
        Self::from_pem(&format!("{}\n{}", self.pem, other.pem)).ok().flatten().unwrap_or_else(|| self.clone())
    }

    /// The lists.
    pub fn lists(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.lists
    }

    /// All of them, as they were written.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Names the set: another for another text.
    pub fn digest(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The life of the list that is over first: from then on, what its authority has signed is refused.
    pub fn first_to_end(&self) -> Option<&Range<SystemTime>> {
        self.first.as_ref()
    }

    /// Whether there is a list of `authority`, signed by it.
    pub fn cover(&self, authority: &CertificateDer<'_>) -> bool {
        let Ok((_, authority)) = x509_parser::parse_x509_certificate(authority) else { return false };
        self.lists.iter().filter_map(parse).any(|list| {
            list.issuer() == authority.subject() && list.verify_signature(authority.public_key()).is_ok()
        })
    }
}

impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Revocations({} lists, {})", self.lists.len(), self.digest())
    }
}

fn parse<'a>(list: &'a CertificateRevocationListDer<'_>) -> Option<CertificateRevocationList<'a>> {
    CertificateRevocationList::from_der(list).ok().filter(|(rest, _)| rest.is_empty()).map(|(_, list)| list)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
        KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber,
    };

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn list(of: &CertifiedIssuer<'static, KeyPair>, until: SystemTime) -> String {
        let params = CertificateRevocationListParams {
            this_update: (until - HOUR).into(),
            next_update: until.into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(of).unwrap().pem().unwrap()
    }

    #[test]
    fn a_list_is_of_the_authority_that_has_signed_it() {
        let (one, other, namesake) = (authority("one"), authority("other"), authority("one"));
        let now = SystemTime::now();
        let both = list(&one, now + HOUR) + &list(&other, now + HOUR * 2);
        let both = Revocations::from_pem(&both).unwrap().unwrap();
        assert_eq!(both.lists().len(), 2);
        assert!(both.cover(one.der()) && both.cover(other.der()));
        assert!(!both.cover(namesake.der()), "a name proves nothing");
        let left = both.first_to_end().unwrap().end.duration_since(now).unwrap();
        assert!(left <= HOUR && left > HOUR / 2, "{left:?}");
    }

    #[test]
    fn no_text_is_no_list_and_other_text_is_an_error() {
        assert_eq!(Revocations::from_pem(" \n").unwrap(), None);
        let whole = list(&authority("one"), SystemTime::now() + HOUR);
        for broken in ["nonsense", &whole[..whole.len() / 2], &whole.replace('A', "B")] {
            assert!(Revocations::from_pem(broken).is_err(), "{broken}");
        }
    }
}
