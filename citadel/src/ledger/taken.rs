//! Certificates that another replica has taken over: it has issued their successors.
//!
//! In: what one replica has issued. Out: marks, short and without names, by which another finds those of its own certificates that are no
//! longer in use. What is dropped here is counted there, so nobody is forgotten between two replicas.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

/// Clocks of replicas differ by less.
const SKEW: Duration = Duration::from_secs(120);

/// Names a certificate or a pod. So many bytes that no two of a mesh meet.
pub type Mark = [u8; 8];

/// What a replica has taken over from others, as far as it can't tell whether they had it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Certificates that were renewed here and were not issued here.
    pub certificates: Vec<Mark>,
    /// Pods that have a certificate of this replica with its current roots, and since when, in seconds since 1970.
    pub pods: Vec<(Mark, u32)>,
}

impl Taken {
    /// How much it is.
    pub fn len(&self) -> usize {
        self.certificates.len() + self.pods.len()
    }
}

/// The mark of a certificate.
pub(super) fn of_certificate(serial: &str) -> Mark {
    mark(b"certificate", serial)
}

/// The mark of a pod.
pub(super) fn of_pod(uid: &str) -> Mark {
    mark(b"pod", uid)
}

fn mark(kind: &[u8], name: &str) -> Mark {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(name);
    let mut mark = Mark::default();
    mark.copy_from_slice(&hash.finalize()[..8]);
    mark
}

/// A time as it stands beside a mark.
pub(super) fn seconds(time: SystemTime) -> u32 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    u32::try_from(since).unwrap_or(u32::MAX)
}

/// Whether something that happened elsewhere at `there` is later than `here`, whatever the clocks.
pub(super) fn is_later(there: u32, here: SystemTime) -> bool {
    UNIX_EPOCH + Duration::from_secs(there.into()) > here + SKEW
}
