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
    connect,
    renewal::{Backoff, chance, renew_at, renew_next_at},
    spiffe,
    state::identity,
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
    /// The part of a certificate's life that is left when it is renewed; usually [`GRACE`](crate::renewal::GRACE).
    pub grace: f64,
    /// Changes when a new certificate is wanted before that, if anybody can say so.
    pub renew: Option<watch::Receiver<()>>,
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
        Self::restart(settings, None)
    }

    /// The same, with the identity that an earlier process kept in `file`, as long as that is valid; later ones are kept there, too.
    pub fn restart(settings: Settings, file: Option<PathBuf>) -> Self {
        let kept = file.as_deref().and_then(|file| identity::load(file, SystemTime::now()));
        let kept = kept.filter(|kept| is_of_this_mesh(&settings.roots, kept));
        let (sender, current) = watch::channel(kept);
        let renewing = tokio::spawn(renew(settings, sender, file)).abort_handle();
        Self { current, renewing }
    }

    /// Follows the identity that another SPIFFE agent gives on this machine.
    pub fn follow(socket: PathBuf) -> Self {
        let (sender, current) = watch::channel(None);
        let renewing = tokio::spawn(spiffe::follow(socket, sender)).abort_handle();
        Self { current, renewing }
    }

    /// What the workload has: nothing until the authority has answered once.
    pub fn current(&self) -> watch::Receiver<Option<Identity>> {
        self.current.clone()
    }
}

/// A certificate of a mesh that has no root in common with this one is of no use to anybody.
fn is_of_this_mesh(roots: &Path, kept: &Identity) -> bool {
    let mounted = std::fs::read_to_string(roots).ok().and_then(|pem| TrustBundle::from_pem(&pem).ok());
    let Some(mounted) = mounted else { return true };
    let shared = kept.trusted.roots().iter().any(|root| mounted.roots().contains(root));
    if !shared {
        tracing::warn!("the certificate that was kept is of another mesh: it is ignored");
    }
    shared
}

async fn renew(settings: Settings, current: watch::Sender<Option<Identity>>, file: Option<PathBuf>) {
    let mut backoff = Backoff::default();
    let mut wanted = settings.renew.clone();
    let kept = current.borrow().clone();
    if let Some(kept) = kept {
        let at = renew_at(kept.credential.facts(), SystemTime::now(), settings.grace, chance());
        rest(at, &mut wanted).await;
    }
    let mut by_token = false;
    loop {
        if let Some(wanted) = &mut wanted {
            wanted.mark_unchanged();
        }
        let held = current.borrow().clone();
        match enrol(&settings, held.as_ref(), by_token).await {
            Ok(identity) => {
                let facts = identity.credential.facts();
                let now = SystemTime::now();
                let remaining = facts.remaining(now).as_secs();
                tracing::info!(serial = facts.serial, remaining, "the workload has a new certificate");
                let at = if facts.is_valid(now) {
                    backoff.reset();
                    renew_next_at(facts, now, settings.grace, chance())
                } else {
                    let wait = backoff.next(chance());
                    tracing::warn!(
                        ?wait,
                        "by this machine's clock the new certificate is not valid: is the clock wrong, here or at the authority? Trying again"
                    );
                    now + wait
                };
                if let Some(file) = &file
                    && let Err(error) = identity::keep(file, &identity)
                {
                    tracing::warn!(%error, file = %file.display(), "the certificate can't be kept for a restart");
                }
                current.send_replace(Some(identity));
                by_token = false;
                rest(at, &mut wanted).await;
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
    let Settings { authority, token, roots, lifetime, grace: _, renew: _ } = settings;
    let trusted = connect::roots(roots, held).await?;
    let now = SystemTime::now();
    let valid = held.filter(|held| !by_token && held.credential.facts().is_valid(now));
    match valid {
        Some(held) => authority.enrol(Proof::Certificate(&held.credential), &trusted, *lifetime).await,
        None => authority.enrol(Proof::Token(&connect::token(token).await?), &trusted, *lifetime).await,
    }
}

/// Until then, or until a new certificate is wanted.
async fn rest(until: SystemTime, wanted: &mut Option<watch::Receiver<()>>) {
    let asked = async {
        let changed = match wanted {
            Some(wanted) => wanted.changed().await.is_ok(),
            None => false,
        };
        if !changed {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = sleep_until(until) => {}
        () = asked => {}
    }
}

async fn sleep_until(at: SystemTime) {
    while let Ok(left) = at.duration_since(SystemTime::now()) {
        if left.is_zero() {
            return;
        }
        sleep(left.min(LOOK_EVERY)).await;
    }
}
