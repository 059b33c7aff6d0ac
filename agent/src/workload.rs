//! Keeps the workload's identity fresh for as long as it runs.
//!
//! In: settings, and files that others replace (the token, the roots), read anew each time. Out: the current [`Identity`], to be watched.
//! While the authority is away, the last certificate goes on being served.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use mesh_pki::TrustBundle;
use tokio::{sync::watch, task::AbortHandle, time::sleep};

use crate::{
    Authority, EnrolError, Identity,
    authority::Proof,
    renewal::{Backoff, chance, renew_at},
};

/// The clock is looked at this often at least: timers stand still while a machine is suspended, certificates go on expiring.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What a workload needs to get a certificate.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whom to ask.
    pub authority: Authority,
    /// The token of the service account, which the kubelet renews.
    pub token: PathBuf,
    /// The mesh's roots, in PEM, which the authority's own certificate must come from.
    pub roots: PathBuf,
    /// How long certificates should be valid; zero leaves it to the authority.
    pub lifetime: Duration,
}

/// A workload whose certificate is renewed in the background, until this is dropped.
#[derive(Debug)]
pub struct Workload {
    current: watch::Receiver<Option<Identity>>,
    renewing: AbortHandle,
}

impl Drop for Workload {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

impl Workload {
    /// Starts to get a certificate, and goes on until there is one.
    pub fn start(settings: Settings) -> Self {
        let (sender, current) = watch::channel(None);
        let renewing = tokio::spawn(renew(settings, sender)).abort_handle();
        Self { current, renewing }
    }

    /// What the workload has: nothing until the authority has answered once.
    pub fn current(&self) -> watch::Receiver<Option<Identity>> {
        self.current.clone()
    }
}

async fn renew(settings: Settings, current: watch::Sender<Option<Identity>>) {
    let mut backoff = Backoff::default();
    let mut by_token = false;
    loop {
        let held = current.borrow().clone();
        match enrol(&settings, held.as_ref(), by_token).await {
            Ok(identity) => {
                let facts = identity.credential.facts();
                let now = SystemTime::now();
                let at = renew_at(facts, now, chance());
                let remaining = facts.remaining(now).as_secs();
                tracing::info!(serial = facts.serial, remaining, "the workload has a new certificate");
                current.send_replace(Some(identity));
                backoff.reset();
                by_token = false;
                sleep_until(at).await;
            }
            Err(error) => {
                let wait = backoff.next(chance());
                let left = held.map(|held| held.credential.facts().remaining(SystemTime::now()).as_secs());
                tracing::warn!(%error, ?left, ?wait, "there is no new certificate: trying again");
                // The roots may have changed while this workload was cut off; its token is good whatever they are.
                by_token = !by_token && error.is_of_proof();
                sleep(wait).await;
            }
        }
    }
}

async fn enrol(settings: &Settings, held: Option<&Identity>, by_token: bool) -> Result<Identity, EnrolError> {
    let Settings { authority, token, roots, lifetime } = settings;
    let mounted = read(roots).await.and_then(|pem| Ok(TrustBundle::from_pem(&pem)?));
    let trusted = match (mounted, held) {
        (Ok(mounted), Some(held)) => mounted.with(&held.trusted),
        (Ok(mounted), None) => mounted,
        // What the authority said is as good as the file, which may be in the middle of a change.
        (Err(_), Some(held)) => held.trusted.clone(),
        (Err(error), None) => return Err(error),
    };
    let now = SystemTime::now();
    let valid = held.filter(|held| !by_token && held.credential.facts().is_valid(now));
    match valid {
        Some(held) => authority.enrol(Proof::Certificate(&held.credential), &trusted, *lifetime).await,
        None => authority.enrol(Proof::Token(read(token).await?.trim()), &trusted, *lifetime).await,
    }
}

async fn read(path: &Path) -> Result<String, EnrolError> {
    let read = tokio::fs::read_to_string(path).await;
    read.map_err(|error| EnrolError::File { path: path.display().to_string(), error })
}

async fn sleep_until(at: SystemTime) {
    while let Ok(left) = at.duration_since(SystemTime::now()) {
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK_EVERY)).await;
    }
}
