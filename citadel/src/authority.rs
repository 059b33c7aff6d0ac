//! The authority as it is now: who signs, and which roots are trusted.
//!
//! In: [`Material`], from wherever it is kept. Out: a [`State`] that signs, and its successors. Whoever serves takes the state that is
//! current and keeps it for as long as one certificate takes; nothing waits for a reload.

mod leaf;
pub mod material;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use material::parts;
use mesh_pki::{
    Error, Facts, Revocations, TrustBundle, bundle::certificate_pem, chain, credential::read_certificates,
    facts, keys, pki_types::CertificateDer,
};
use rcgen::{Issuer, KeyPair};
use tokio::sync::watch;

pub use leaf::{Leaf, LeafError};
pub use material::{Material, MaterialError};

/// Proxies that are given revocation lists refuse what an authority without one has signed.
const UNLISTED: &str = "ca-crl.pem has no list of the signing certificate: with the lists that it has, workloads would refuse each other";

/// Roots that are trusted besides an authority's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MoreRoots {
    /// Of authorities elsewhere that sign for this mesh: workloads trust them, and certificates under them are proof here.
    pub signers: Option<TrustBundle>,
    /// Of peers: workloads trust them, and certificates under them prove nothing here.
    pub peers: Option<TrustBundle>,
}

/// An authority that can sign.
#[derive(Clone)]
pub struct State {
    issuer: Arc<Issuer<'static, KeyPair>>,
    /// The signing certificate.
    signer: CertificateDer<'static>,
    /// What it says.
    facts: Facts,
    /// The root that the signing certificate chains to.
    root: CertificateDer<'static>,
    /// Certificates between a leaf and the root, each in PEM, the signer's first. Empty when the root signs.
    intermediates: Vec<String>,
    /// The authority's own roots.
    own: TrustBundle,
    /// Those of authorities elsewhere that sign for this mesh.
    signers: Option<TrustBundle>,
    /// These, and those of other signers.
    proof: TrustBundle,
    /// All that workloads trust.
    bundle: TrustBundle,
    revocations: Option<Revocations>,
}

impl State {
    /// Makes an authority of what was kept.
    ///
    /// # Errors
    /// When the parts can't be read, do not belong together or have expired.
    pub fn new(material: &Material, now: SystemTime) -> Result<Self, MaterialError> {
        let Material { certificate, key, chain, roots, revocations } = material;
        let broken = |part: &'static str| move |source: Error| MaterialError::Broken { part, source };
        let unfit = MaterialError::Unfit;
        let bundle = TrustBundle::from_pem(roots).map_err(broken(parts::ROOTS))?;
        let mut certificates =
            read_certificates(certificate).map_err(broken(parts::CERTIFICATE))?.into_iter();
        let signer =
            certificates.next().ok_or_else(|| unfit(format!("{} has no certificate", parts::CERTIFICATE)))?;
        let signer_facts = Facts::read(&signer).map_err(broken(parts::CERTIFICATE))?;
        if !signer_facts.is_ca {
            let why = "is no certificate of an authority (CA:TRUE): it may not sign others";
            return Err(unfit(format!("{} {why}", parts::CERTIFICATE)));
        }
        in_time(parts::CERTIFICATE, &signer_facts, now)?;
        let key = keys::read(key).map_err(broken(parts::KEY))?;
        // rcgen does not look whether the two belong together.
        let public = facts::public_key(&signer).map_err(broken(parts::CERTIFICATE))?;
        if rcgen::PublicKeyData::subject_public_key_info(&key) != public {
            return Err(unfit(format!("{} is not the key of {}", parts::KEY, parts::CERTIFICATE)));
        }
        let mut above: Vec<CertificateDer<'static>> = certificates.collect();
        above.extend(read_certificates(chain).map_err(broken(parts::CHAIN))?);
        let (path, root) = if bundle.roots().contains(&signer) {
            (Vec::new(), signer.clone())
        } else {
            let (mut path, root) = chain::path(&signer, &above, &bundle).ok_or_else(|| {
                unfit(format!(
                    "{} does not chain to a certificate in {}: what is between them belongs into {}",
                    parts::CERTIFICATE,
                    parts::ROOTS,
                    parts::CHAIN
                ))
            })?;
            for between in &path {
                in_time(parts::CHAIN, &Facts::read(between).map_err(broken(parts::CHAIN))?, now)?;
            }
            in_time(parts::ROOTS, &Facts::read(&root).map_err(broken(parts::ROOTS))?, now)?;
            path.insert(0, signer.clone());
            (path, root)
        };
        let revocations = match revocations {
            Some(pem) => Revocations::from_pem(pem).map_err(broken(parts::REVOCATIONS))?,
            None => None,
        };
        if revocations.as_ref().is_some_and(|lists| !lists.cover(&signer)) {
            return Err(unfit(UNLISTED.to_owned()));
        }
        let issuer = Issuer::from_ca_cert_der(&signer, key)
            .map_err(|error| MaterialError::Unfit(format!("the signing certificate: {error}")))?;
        Ok(Self {
            issuer: Arc::new(issuer),
            signer,
            facts: signer_facts,
            root,
            intermediates: path.iter().map(certificate_pem).collect(),
            own: bundle.clone(),
            signers: None,
            proof: bundle.clone(),
            bundle,
            revocations,
        })
    }

    /// What the signing certificate says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The same, with `more` trusted besides, and nothing else.
    #[must_use]
    pub fn trusting(mut self, more: &MoreRoots) -> Self {
        let MoreRoots { signers, peers } = more;
        let with = |roots: &TrustBundle, more: &Option<TrustBundle>| match more {
            Some(more) => roots.with(more),
            None => roots.clone(),
        };
        self.proof = with(&self.own, signers);
        self.bundle = with(&self.proof, peers);
        self.signers.clone_from(signers);
        self
    }

    /// The roots that workloads trust.
    pub fn bundle(&self) -> &TrustBundle {
        &self.bundle
    }

    /// The authority's own roots.
    pub fn own(&self) -> &TrustBundle {
        &self.own
    }

    /// The roots of authorities elsewhere that sign for this mesh.
    pub fn signers(&self) -> Option<&TrustBundle> {
        self.signers.as_ref()
    }

    /// The roots of those who sign for workloads of this mesh: certificates under them are proof.
    pub fn proof(&self) -> &TrustBundle {
        &self.proof
    }

    /// The root of what is signed now.
    pub fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// Certificates between a leaf and the root, in PEM.
    pub fn intermediates(&self) -> &[String] {
        &self.intermediates
    }

    /// Certificates that are no longer good.
    pub fn revocations(&self) -> Option<&Revocations> {
        self.revocations.as_ref()
    }

    /// Whether nobody's connections break when this is followed by `next`: those who have heard of it already and those who have not must
    /// take each other's certificates.
    pub fn can_become(&self, next: &Self) -> bool {
        self.takes(next) && next.takes(self)
    }

    /// Whether workloads that trust what this has are content with what `other` signs.
    fn takes(&self, other: &Self) -> bool {
        self.own.roots().contains(&other.root)
            && self.revocations.as_ref().is_none_or(|lists| lists.cover(&other.signer))
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("facts", &self.facts)
            .field("bundle", &self.bundle)
            .finish_non_exhaustive()
    }
}

/// Nobody takes what comes from a certificate that has ended.
fn in_time(part: &str, facts: &Facts, now: SystemTime) -> Result<(), MaterialError> {
    let day = |time: SystemTime| time::OffsetDateTime::from(time).date();
    let Facts { subject, not_before, not_after, .. } = facts;
    if now >= *not_after {
        let why = format!("{part}: {subject} ended on {}; put its successor there", day(*not_after));
        return Err(MaterialError::Unfit(why));
    }
    if now < *not_before {
        let why = format!("{part}: {subject} is valid from {} on, and not yet", day(*not_before));
        return Err(MaterialError::Unfit(why));
    }
    Ok(())
}

/// The current authority and its successors. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authority {
    state: Arc<watch::Sender<Arc<State>>>,
    more: Arc<Mutex<MoreRoots>>,
}

impl Authority {
    /// Begins with `state`.
    pub fn new(state: State) -> Self {
        Self { state: Arc::new(watch::Sender::new(Arc::new(state))), more: Arc::default() }
    }

    /// The state that is current.
    pub fn current(&self) -> Arc<State> {
        self.state.borrow().clone()
    }

    /// The state and its successors.
    pub fn watch(&self) -> watch::Receiver<Arc<State>> {
        self.state.subscribe()
    }

    /// From now on `state` is current.
    pub fn replace(&self, state: State) {
        let more = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        self.state.send_replace(Arc::new(state.trusting(&more)));
    }

    /// From now on `more` is trusted besides the authority's own roots, and nothing else.
    pub fn trust(&self, more: MoreRoots) {
        let mut held = self.more.lock().unwrap_or_else(PoisonError::into_inner);
        if *held != more {
            self.state.send_modify(|state| *state = Arc::new(State::clone(state).trusting(&more)));
            *held = more;
        }
    }
}

#[cfg(test)]
mod tests;
