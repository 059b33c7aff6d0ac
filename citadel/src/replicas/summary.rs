//! What a replica says of the certificates that it has issued: one line of JSON.
//!
//! In: its ledger. Out: how many are without the current roots and until when, and whom it has taken over from others. Names and serial
//! numbers are not in it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use k8s_openapi::ByteString;
use mesh_pki::bundle::Digest;
use serde::{Deserialize, Serialize};

use crate::ledger::{Ledger, Mark, Standing, Taken};

/// More are not listed: all replicas share an object of a mebibyte. Whoever they were taken from waits until they expire.
const MOST: usize = 12_000;

/// What a replica says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Summary {
    /// The roots that it hands out, and will from now on.
    pub(super) bundle: String,
    /// When it said so, in seconds since 1970.
    pub(super) at: u64,
    /// Certificates in use that came with other roots.
    pub(super) behind: usize,
    /// When the last of these expires, in seconds since 1970.
    pub(super) behind_until: u64,
    /// Certificates of others that it has renewed: marks, one after another.
    #[serde(default)]
    certificates: ByteString,
    /// Pods that have a certificate of it, each a mark and a time.
    #[serde(default)]
    pods: ByteString,
}

impl Summary {
    /// Of a replica whose roots are `bundle`.
    pub(super) fn of(ledger: &Ledger, bundle: Digest, now: SystemTime) -> Self {
        let Standing { behind, behind_until, .. } = ledger.standing(bundle, now);
        let taken = Some(ledger.taken(bundle, now)).filter(|taken| taken.len() <= MOST).unwrap_or_default();
        let Taken { mut certificates, mut pods } = taken;
        certificates.sort_unstable();
        pods.sort_unstable();
        let pods = pods.iter().flat_map(|(pod, at)| pod.iter().copied().chain(at.to_be_bytes()));
        Self {
            bundle: bundle.to_string(),
            at: seconds(now),
            behind,
            // Up: nobody may be forgotten for a part of a second.
            behind_until: behind_until.map_or(0, |until| seconds(until) + 1),
            certificates: ByteString(certificates.concat()),
            pods: ByteString(pods.collect()),
        }
    }

    /// One that says nothing yet but that there is such a replica.
    pub(super) fn new(now: SystemTime) -> Self {
        let none = ByteString::default;
        Self {
            bundle: String::new(),
            at: seconds(now),
            behind: 0,
            behind_until: 0,
            certificates: none(),
            pods: none(),
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(super) fn write(&self) -> Option<String> {
        serde_json::to_string(self).ok()
    }

    /// Whether it says anything else than `before` but the time.
    pub(super) fn differs(&self, before: &Self) -> bool {
        *self != Self { at: self.at, ..before.clone() }
    }

    /// When it was said.
    pub(super) fn at(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.at)
    }

    /// Whom it has taken over.
    pub(super) fn taken(&self) -> Taken {
        let mark = |bytes: &[u8]| Mark::try_from(bytes).ok();
        let pod = |bytes: &[u8]| {
            let (pod, at) = bytes.split_at_checked(size_of::<Mark>())?;
            Some((mark(pod)?, u32::from_be_bytes(at.try_into().ok()?)))
        };
        let Self { certificates: ByteString(certificates), pods: ByteString(pods), .. } = self;
        Taken {
            certificates: certificates.chunks(size_of::<Mark>()).filter_map(mark).collect(),
            pods: pods.chunks(size_of::<Mark>() + size_of::<u32>()).filter_map(pod).collect(),
        }
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
