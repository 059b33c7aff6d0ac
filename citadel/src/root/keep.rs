//! Keeps the authority in step with where it is kept, and moves a change of the root on when it is time.
//!
//! In: a store, and whether this replica leads. Out: a current [`Authority`] on every replica; writes by the leader alone.

use std::time::{Duration, SystemTime};

use tokio::{
    sync::watch,
    time::{MissedTickBehavior, interval},
};

use super::{
    rotation::{self, Kept, Policy, World},
    store::{Store, Stored},
};
use crate::{Authority, ledger::Ledger, metrics::Metrics};

/// Why an authority is not taken that would be good by itself.
const STRANGERS: &str = "workloads would not trust each other's certificates: first put the old and the new root into its roots, \
                         and change the signing certificate after that";

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
}

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
        if *self.leading.borrow() {
            self.step().await;
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

    /// Moves a change of the root on, if it is time.
    async fn step(&self) {
        let stored = self.stored.borrow().clone();
        let now = SystemTime::now();
        let bundle = self.authority.current().bundle().digest();
        let unknown_until = if self.alone {
            self.unknown_until
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
