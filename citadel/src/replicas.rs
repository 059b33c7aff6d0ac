//! What replicas tell each other while a root is being changed: who of those that they gave certificates has the new one.
//!
//! In: this replica's ledger. Out: a line of it in a ConfigMap that all replicas share, and, for the one that leads, until when somebody may
//! be left who does not know the new root. Each replica writes its own line, the first time before it issues anything, so that none can be
//! overlooked; a line stays when its replica dies, and says what that replica has left behind. What a line does not say is bounded by time:
//! a certificate that nobody has renewed expires.

mod summary;

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams},
};
use mesh_pki::bundle::Digest;
use serde_json::json;
use tokio::time::timeout;

use crate::ledger::Ledger;
use summary::Summary;

/// The ConfigMap.
pub const REPLICAS_CONFIG_MAP: &str = "meltemi-citadel-replicas";
/// How long the API server may take.
const WITHIN: Duration = Duration::from_secs(10);
/// A replica says at least this often that it is still there.
const REFRESH: Duration = Duration::from_secs(3600);

/// This replica, among the others. Meshes in one process have none.
pub(crate) struct Replicas {
    api: Api<ConfigMap>,
    /// Names this process: another one in the same pod is another replica.
    name: String,
    said: Option<Summary>,
}

/// What all replicas say.
pub(crate) struct Known {
    /// Since when they do.
    since: SystemTime,
    lines: BTreeMap<String, Summary>,
    /// Lines that can't be read.
    unreadable: bool,
}

/// The lines can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplicasError {
    /// It is not allowed, or fails.
    #[error("ConfigMap {REPLICAS_CONFIG_MAP}: {0}")]
    Kube(#[from] kube::Error),
    /// It takes too long.
    #[error("ConfigMap {REPLICAS_CONFIG_MAP}: the API server takes too long")]
    Late,
}

impl Replicas {
    /// In `namespace`, by a name that begins with `identity`.
    pub(crate) fn new(client: Client, namespace: &str, identity: &str) -> Self {
        let mut unique = [0; 4];
        // Without randomness no key could be made, and nothing would get here.
        let _ = aws_lc_rs::rand::fill(&mut unique);
        let unique = u32::from_be_bytes(unique);
        let allowed =
            |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '-' };
        let identity: String = identity.chars().take(100).map(allowed).collect();
        Self { api: Api::namespaced(client, namespace), name: format!("{identity}.{unique:08x}"), said: None }
    }

    /// Says that there is this replica, which has issued nothing yet.
    pub(crate) async fn register(&mut self, now: SystemTime) -> Result<(), ReplicasError> {
        self.say(Summary::new(now)).await
    }

    /// Says what has changed, or that nothing has for long.
    pub(crate) async fn tell(
        &mut self,
        ledger: &Ledger,
        bundle: Digest,
        now: SystemTime,
    ) -> Result<(), ReplicasError> {
        let summary = Summary::of(ledger, bundle, now);
        let is_new = |said: &Summary| {
            summary.differs(said) || now.duration_since(said.at()).is_ok_and(|ago| ago > REFRESH)
        };
        if self.said.as_ref().is_none_or(is_new) { self.say(summary).await } else { Ok(()) }
    }

    /// Whether there is something to say though no root is being changed.
    pub(crate) fn is_silent(&self, now: SystemTime) -> bool {
        self.said.as_ref().is_none_or(|said| {
            said.bundle.is_empty() || now.duration_since(said.at()).is_ok_and(|ago| ago > REFRESH)
        })
    }

    async fn say(&mut self, summary: Summary) -> Result<(), ReplicasError> {
        let Some(line) = summary.write() else { return Ok(()) };
        let object = ConfigMap {
            metadata: ObjectMeta { name: Some(REPLICAS_CONFIG_MAP.to_owned()), ..ObjectMeta::default() },
            data: Some(BTreeMap::from([(self.name.clone(), line)])),
            ..ConfigMap::default()
        };
        // Each replica owns its line: what it applies leaves the others' alone.
        let manager = format!("meltemi-{}", self.name);
        let params = PatchParams::apply(&manager).force();
        within(self.api.patch(REPLICAS_CONFIG_MAP, &params, &Patch::Apply(&object))).await?;
        self.said = Some(summary);
        Ok(())
    }

    /// What all replicas say.
    pub(crate) async fn hear(&self) -> Result<Known, ReplicasError> {
        // One that somebody has deleted says nothing, and is written again.
        let object = within(self.api.get_opt(REPLICAS_CONFIG_MAP)).await?.unwrap_or_default();
        let written = object.data.unwrap_or_default();
        let count = written.len();
        let lines: BTreeMap<String, Summary> =
            written.into_iter().filter_map(|(name, line)| Some((name, Summary::read(&line)?))).collect();
        let since = object.metadata.creation_timestamp.map_or_else(SystemTime::now, |at| at.0.into());
        Ok(Known { since, unreadable: lines.len() != count, lines })
    }

    /// Forgets what others have taken over from this replica.
    pub(crate) fn give_up(&self, known: &Known, ledger: &Ledger, bundle: Digest) {
        let bundle = bundle.to_string();
        for (name, line) in &known.lines {
            if *name != self.name && line.bundle == bundle {
                ledger.give_up(&line.taken());
            }
        }
    }

    /// Whether this replica's line is there. If somebody has deleted it, it is said again.
    pub(crate) fn is_among(&mut self, known: &Known) -> bool {
        let is_among = known.lines.contains_key(&self.name);
        if !is_among {
            self.said = None;
        }
        is_among
    }

    /// When the last certificate has expired whose holder may not know the roots `bundle`, of those that other replicas have issued.
    pub(crate) fn unknown_until(&self, known: &Known, bundle: Digest, bounds: &Bounds) -> SystemTime {
        unknown_until(&self.name, known, bundle, bounds)
    }

    /// Deletes the lines of replicas that have long gone.
    pub(crate) async fn clear(&self, known: &Known, now: SystemTime, lifetime: Duration) {
        let ends = |line: &Summary| line.at() + REFRESH * 2 + lifetime;
        let gone = known.lines.iter().filter(|(name, line)| **name != self.name && ends(line) < now);
        let gone: BTreeMap<&String, Option<()>> = gone.map(|(name, _)| (name, None)).collect();
        if gone.is_empty() {
            return;
        }
        let patch = Patch::Merge(json!({ "data": gone }));
        let params = PatchParams::default();
        if let Err(error) = within(self.api.patch(REPLICAS_CONFIG_MAP, &params, &patch)).await {
            tracing::debug!(%error, "cannot clear what replicas that have gone said");
        }
    }
}

/// The same, for replica `me`.
fn unknown_until(me: &str, known: &Known, bundle: Digest, bounds: &Bounds) -> SystemTime {
    let Bounds { signer_since, since, settle, lifetime } = *bounds;
    let silent = since + settle + lifetime;
    let bundle = bundle.to_string();
    let mut until = SystemTime::UNIX_EPOCH;
    if signer_since < known.since {
        // Before there were lines, somebody may have issued certificates without one.
        until = known.since + lifetime;
    }
    if known.unreadable {
        until = until.max(silent);
    }
    for (name, line) in &known.lines {
        if name == me {
            continue;
        }
        let Summary { bundle: theirs, behind, behind_until, .. } = line;
        if *theirs != bundle {
            // It does not know yet, or has died: whatever it has issued expires.
            until = until.max(silent);
        } else if *behind > 0 {
            until = until.max(SystemTime::UNIX_EPOCH + Duration::from_secs(*behind_until));
        }
    }
    until
}

/// What bounds what is not said.
pub(crate) struct Bounds {
    /// When what signs was made.
    pub(crate) signer_since: SystemTime,
    /// Since when the roots are what they are.
    pub(crate) since: SystemTime,
    /// After how long every replica hands them out.
    pub(crate) settle: Duration,
    /// The longest life of a certificate.
    pub(crate) lifetime: Duration,
}

async fn within<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ReplicasError> {
    Ok(timeout(WITHIN, call).await.map_err(|_| ReplicasError::Late)??)
}

#[cfg(test)]
mod tests;
