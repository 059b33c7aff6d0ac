//! Keeps the authority in step with where it is kept, and moves a change of the root on when it is time.
//!
//! In: a store, and whether this replica leads. Out: a current [`Authority`] on every replica; writes by the leader alone.

use std::time::{Duration, SystemTime};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use mesh_pki::bundle::Digest;

use super::{
    create,
    rotation::{self, Kept, Policy, Rotation, World},
    store::{Store, Stored},
};
use crate::{
    Authority,
    ledger::Ledger,
    metrics::Metrics,
    replicas::{Bounds, Replicas, ReplicasError},
};

/// Why an authority is not taken that would be good by itself.
const STRANGERS: &str = "workloads would not trust each other's certificates: first put the old and the new root into its roots (and, \
                         where there are revocation lists, those of both signing certificates), and change the signing certificate after that";

/// Keeps an authority up to date.
pub(crate) struct Keeper<S> {
    pub(crate) store: S,
    pub(crate) authority: Authority,
    pub(crate) stored: watch::Sender<Stored>,
    pub(crate) leading: watch::Receiver<bool>,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
    pub(crate) policy: Policy,
    /// How often it is looked whether it is time for the next step.
    pub(crate) tick: Duration,
    /// When the last certificate that other processes issued before this one has expired.
    pub(crate) unknown_until: SystemTime,
    /// Whether nobody else issues certificates.
    pub(crate) alone: bool,
    /// The last version that was not taken: it is told once.
    pub(crate) refused: Option<String>,
    /// The other replicas, if there may be any and they can be heard.
    pub(crate) replicas: Option<Replicas>,
    /// The roots that are handed out, and since when.
    pub(crate) handed_out: (Digest, SystemTime),
}

/// A request that began with the roots of before has ended after this time.
const REQUEST_ENDS: Duration = Duration::from_secs(15);

impl<S: Store> Keeper<S> {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        let mut ticks = interval(self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.store.changed() => {}
                _ = ticks.tick() => {}
            }
            self.look().await;
        }
    }

    async fn look(&mut self) {
        match self.store.load().await {
            Ok(Some(stored)) => self.take(stored),
            Ok(None) => {
                // Workloads trust the root that we have: better to go on with it than to make another.
                tracing::error!(
                    place = self.store.place(false),
                    "the certificate authority was deleted: going on with it, and putting it back"
                );
                self.put_back().await;
            }
            // Nothing has changed, then: signing needs no store.
            Err(error) => tracing::warn!(%error, "cannot look after the certificate authority"),
        }
        if self.stored.borrow().plugged_in {
            return;
        }
        self.note_longest().await;
        let others_until = self.share().await;
        if *self.leading.borrow() {
            self.step(others_until).await;
        }
    }

    /// Lets the others know, and whoever comes after this process, that a certificate lives longer than usual. Every replica does.
    async fn note_longest(&self) {
        let stored = self.stored.borrow().clone();
        let longest = self.ledger.longest();
        if longest > stored.kept.lifetime(&self.policy) {
            let kept = Kept { longest: Some(longest), ..stored.kept.clone() };
            self.write(
                &stored,
                &kept,
                "a certificate lives longer than usual: a change of the root will wait for it",
            )
            .await;
        }
    }

    fn take(&mut self, stored: Stored) {
        if stored.version == self.stored.borrow().version {
            return;
        }
        let place = self.store.place(stored.plugged_in);
        if stored.kept.material != self.stored.borrow().kept.material {
            let state = match stored.kept.state(SystemTime::now()) {
                Ok(state) if self.authority.current().can_become(&state) => state,
                Ok(_) => return self.refuse(&stored, &place, STRANGERS),
                Err(error) => return self.refuse(&stored, &place, &error.to_string()),
            };
            tracing::info!(place, bundle = %state.bundle().digest(), "the certificate authority has changed");
            self.authority.replace(state);
        }
        self.stored.send_replace(stored);
    }

    fn refuse(&mut self, stored: &Stored, place: &str, why: &str) {
        if self.refused.as_ref() != Some(&stored.version) {
            self.refused = Some(stored.version.clone());
            self.metrics.reloads_refused.inc();
            tracing::error!(
                place,
                why,
                "the new certificate authority is not taken: going on with the last good one"
            );
        }
    }

    async fn put_back(&self) {
        let kept = self.stored.borrow().kept.clone();
        if *self.leading.borrow()
            && let Err(error) = self.store.create(&kept).await
        {
            tracing::warn!(%error, "cannot put the certificate authority back");
        }
    }

    /// Tells the other replicas how workloads stand, and hears it of them. While a root is being changed: when the last certificate of
    /// theirs has expired whose holder may not know it; `None` when there is no telling.
    async fn share(&mut self) -> Option<SystemTime> {
        let replicas = self.replicas.as_mut()?;
        let (now, state) = (SystemTime::now(), self.authority.current());
        let bundle = state.bundle().digest();
        if self.handed_out.0 != bundle {
            self.handed_out = (bundle, now);
        }
        let since = match &self.stored.borrow().kept.rotation {
            Rotation::Distributing { since, .. } => Some(*since),
            Rotation::Steady | Rotation::Retiring { .. } => None,
        };
        let quiet = now.duration_since(self.handed_out.1).unwrap_or_default();
        if quiet < self.policy.settle.min(REQUEST_ENDS) || (since.is_none() && !replicas.is_silent(now)) {
            return None;
        }
        let lifetime = self.stored.borrow().kept.lifetime(&self.policy);
        let shared = async {
            let known = replicas.hear().await?;
            replicas.give_up(&known, &self.ledger, bundle);
            let is_among = replicas.is_among(&known);
            replicas.tell(&self.ledger, bundle, now).await?;
            if since.is_none() && *self.leading.borrow() {
                replicas.clear(&known, now, lifetime).await;
            }
            Ok::<_, ReplicasError>(is_among.then_some(known))
        };
        let known = match shared.await {
            Ok(known) => known?,
            Err(error) => {
                tracing::warn!(%error, "replicas can't tell each other how workloads stand");
                return None;
            }
        };
        let signer_since = state.facts().not_before + create::SKEW;
        let bounds = Bounds { signer_since, since: since?, settle: self.policy.settle, lifetime };
        Some(replicas.unknown_until(&known, bundle, &bounds))
    }

    /// Moves a change of the root on, if it is time. `others_until` is what other replicas have said.
    async fn step(&self, others_until: Option<SystemTime>) {
        let stored = self.stored.borrow().clone();
        let now = SystemTime::now();
        let bundle = self.authority.current().bundle().digest();
        let unknown_until = if self.alone {
            self.unknown_until
        } else if let Some(until) = others_until {
            until
        } else {
            let since = match &stored.kept.rotation {
                rotation::Rotation::Distributing { since, .. } => *since,
                rotation::Rotation::Steady | rotation::Rotation::Retiring { .. } => now,
            };
            self.unknown_until.max(since + self.policy.settle + stored.kept.lifetime(&self.policy))
        };
        let world = World { now, standing: self.ledger.standing(bundle, now), unknown_until };
        match rotation::next(&stored.kept, &world, &self.policy) {
            Ok(None) => {}
            Ok(Some(next)) => self.write(&stored, &next, next.rotation.name()).await,
            Err(error) => tracing::error!(%error, "cannot change the root"),
        }
    }

    async fn write(&self, before: &Stored, next: &Kept, what: &str) {
        match self.store.replace(before, next).await {
            // It is taken when it is read back, as on every replica.
            Ok(true) => tracing::info!(what, "wrote the certificate authority"),
            Ok(false) => tracing::debug!("somebody else has written the certificate authority first"),
            Err(error) => tracing::warn!(%error, what, "cannot write the certificate authority"),
        }
    }
}
