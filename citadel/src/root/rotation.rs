//! The change of a self-signed root in three steps, so that no connection ever breaks.
//!
//! In: what is kept, and how the world stands. Out: what is to be kept next, if it is time. Each step is one write of one Secret, so a
//! crash is always between two steps, and whoever leads next goes on from what is written:
//!
//! 1. `Distributing`: there is a next root; both are trusted, the old one signs.
//! 2. `Retiring`: everyone trusts both; the new one signs, the old one stays trusted until the last certificate under it has expired.
//! 3. `Steady`: only the new one is left.
//!
//! Pure: it knows neither clocks nor Kubernetes.

use std::time::{Duration, SystemTime};

use mesh_pki::{Error, Facts, TrustBundle, credential::read_certificates};

use super::create::{self, Request};
use crate::{
    authority::{Material, MaterialError, State},
    ledger::Standing,
};

/// What is kept of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// What signs now, and all roots that are trusted now.
    pub material: Material,
    /// How far a change of the root is.
    pub rotation: Rotation,
    /// Somebody has asked for a new root.
    pub requested: bool,
    /// The longest life of a certificate that any replica has issued, if it is longer than usual: a change of the root waits for it.
    pub longest: Option<Duration>,
}

/// How far a change of the root is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// None is under way.
    Steady,
    /// A next root is trusted, and does not sign yet.
    Distributing {
        /// What will sign.
        next: Box<Material>,
        /// Since when it is trusted.
        since: SystemTime,
    },
    /// An old root is trusted, and signs no longer.
    Retiring {
        /// The root that signed before.
        old: String,
        /// Until when it is trusted.
        until: SystemTime,
    },
}

impl Rotation {
    /// Its name, for people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Steady => "steady",
            Self::Distributing { .. } => "distributing the next root",
            Self::Retiring { .. } => "retiring the old root",
        }
    }
}

impl Kept {
    /// An authority whose root is not being changed.
    pub fn steady(material: Material) -> Self {
        Self { material, rotation: Rotation::Steady, requested: false, longest: None }
    }

    /// How long a certificate of this authority may live that nobody here knows of.
    pub fn lifetime(&self, policy: &Policy) -> Duration {
        self.longest.unwrap_or_default().max(policy.lifetime)
    }

    /// What signs now.
    ///
    /// # Errors
    /// When it makes no authority.
    pub fn state(&self, now: SystemTime) -> Result<State, MaterialError> {
        State::new(&self.material, now)
    }
}

/// When to do what.
#[derive(Debug, Clone)]
pub struct Policy {
    /// How a next root is made.
    pub request: Request,
    /// Time for what was handed out to get into effect everywhere: files in pods, replicas of this program.
    pub settle: Duration,
    /// How long a workload's certificate lives, unless it asked for something else.
    pub lifetime: Duration,
    /// A root is changed when less than this part of its life is left.
    pub renew_at: f64,
}

/// How the world stands.
#[derive(Debug, Clone)]
pub struct World {
    /// The time.
    pub now: SystemTime,
    /// Workloads that this process knows.
    pub standing: Standing,
    /// When the last certificate that this process does not know has expired.
    pub unknown_until: SystemTime,
}

/// What is to be kept next; `None`: nothing changes now.
///
/// # Errors
/// When a new root can't be made, or what is kept can't be read.
pub fn next(kept: &Kept, world: &World, policy: &Policy) -> Result<Option<Kept>, Error> {
    let Kept { material, rotation, requested, longest } = kept;
    let lifetime = kept.lifetime(policy);
    match rotation {
        Rotation::Steady => {
            if !requested && !is_due(material, world.now, policy)? {
                return Ok(None);
            }
            distribute(kept, world, policy).map(Some)
        }
        Rotation::Distributing { next, since } => {
            if !may_sign(material, *since, world, policy)? {
                return Ok(None);
            }
            let trusted = TrustBundle::from_pem(&next.roots)?.with(&TrustBundle::from_pem(&material.roots)?);
            // What is signed at this moment, by replicas that have not heard of it yet, counts too.
            let latest = world.standing.latest.unwrap_or(world.now).max(world.now + lifetime);
            let until = latest.max(world.unknown_until) + policy.settle;
            Ok(Some(Kept {
                material: Material { roots: trusted.pem().to_owned(), ..(**next).clone() },
                rotation: Rotation::Retiring { old: material.certificate.clone(), until },
                requested: *requested,
                longest: *longest,
            }))
        }
        Rotation::Retiring { old: _, until } => {
            if world.now < *until {
                return Ok(None);
            }
            let material = Material { roots: material.certificate.clone(), ..material.clone() };
            Ok(Some(Kept { material, rotation: Rotation::Steady, requested: *requested, longest: *longest }))
        }
    }
}

fn distribute(kept: &Kept, world: &World, policy: &Policy) -> Result<Kept, Error> {
    let Kept { material, rotation: _, requested: _, longest } = kept;
    let next = create::self_signed(&policy.request, world.now)?;
    // The current one stays first: clients that read only the first root must go on.
    let trusted = TrustBundle::from_pem(&material.roots)?.with(&TrustBundle::from_pem(&next.roots)?);
    Ok(Kept {
        material: Material { roots: trusted.pem().to_owned(), ..material.clone() },
        rotation: Rotation::Distributing { next: Box::new(next), since: world.now },
        requested: false,
        longest: *longest,
    })
}

/// Whether the root's life comes to its end.
fn is_due(material: &Material, now: SystemTime, policy: &Policy) -> Result<bool, Error> {
    let Facts { not_before, not_after, .. } = signer(material)?;
    let life = not_after.duration_since(not_before).unwrap_or_default();
    Ok(now + life.mul_f64(policy.renew_at.clamp(0.0, 1.0)) >= not_after)
}

/// Whether everyone trusts the next root.
fn may_sign(material: &Material, since: SystemTime, world: &World, policy: &Policy) -> Result<bool, Error> {
    if world.now < since + policy.settle {
        return Ok(false);
    }
    let everyone = world.standing.behind == 0 && world.now >= world.unknown_until;
    // Past this, certificates would get ever shorter lives under the old root: those who have not come by then can't be waited for.
    let too_late = world.now + policy.lifetime >= signer(material)?.not_after;
    Ok(everyone || too_late)
}

fn signer(material: &Material) -> Result<Facts, Error> {
    let certificates = read_certificates(&material.certificate)?;
    match certificates.first() {
        Some(certificate) => Facts::read(certificate),
        None => Err(Error::Mismatch("there is no signing certificate".to_owned())),
    }
}

#[cfg(test)]
mod tests;
