//! The control plane's own certificate: signed by the authority or by a signer elsewhere, or from files, renewed and reloaded while it serves.
//!
//! In: the authority and its successors. Out: TLS settings for the port, new ones whenever the certificate, the trusted roots or the
//! revocation lists change. Connections that exist go on with what they began with.

mod files;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use mesh_pki::{Credential, Error, keys, keys::KeyKind, tls};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::{
    Authority,
    authority::{LeafError, State},
    issue::{IssueError, KubernetesSigner},
    metrics::{Metrics, Part},
};

/// After a failure; nothing of this can fail but for lack of randomness.
const RETRY: Duration = Duration::from_secs(5);
/// After a failure of a signer elsewhere, for which each attempt makes an object.
const ASK_AGAIN: Duration = Duration::from_secs(60);
/// How often files are looked at: a kubelet replaces them without a word.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

pub use files::FilesError;
pub(crate) use files::ServingFiles;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// It can't be signed.
    #[error(transparent)]
    Sign(#[from] LeafError),
    /// It can't be made or used.
    #[error(transparent)]
    Credential(#[from] Error),
    /// A signer elsewhere does not sign it.
    #[error(transparent)]
    Elsewhere(#[from] IssueError),
    /// The files that it is to be in.
    #[error(transparent)]
    Files(#[from] FilesError),
}

/// Whom it comes from, if not from the authority.
pub(crate) enum Origin {
    /// A signer of the Kubernetes API and its name.
    Signer(Box<KubernetesSigner>, String),
    /// Files.
    Files(ServingFiles),
}

/// Makes certificates for the control plane.
pub(crate) struct Maker {
    names: Vec<String>,
    lifetime: Duration,
    origin: Option<Origin>,
    /// What went wrong last: said once.
    told: Mutex<String>,
}

impl Maker {
    /// Certificates for `names`, as `origin` has them or else by the authority.
    pub(crate) fn new(names: Vec<String>, lifetime: Duration, origin: Option<Origin>) -> Self {
        Self { names, lifetime, origin, told: Mutex::default() }
    }

    /// By whom it is to be.
    async fn make(&self, state: &State) -> Result<Credential, ServingError> {
        let (signer, name) = match &self.origin {
            None => return self.make_own(state),
            Some(Origin::Files(files)) => return Ok(files.read(state).await?),
            Some(Origin::Signer(signer, name)) => (signer, name),
        };
        // Addresses, and names of this machine, are nobody's elsewhere.
        let names: Vec<String> = self.names.iter().filter(|name| is_of_a_domain(name)).cloned().collect();
        Ok(signer.sign_server(name, &names, self.lifetime).await?)
    }

    /// By the authority.
    fn make_own(&self, state: &State) -> Result<Credential, ServingError> {
        let key = keys::generate(KeyKind::P256)?;
        let leaf = state.sign_server(&key, &self.names, self.lifetime, SystemTime::now())?;
        let chain = std::iter::once(&leaf.pem).chain(state.intermediates()).map(String::as_str);
        Ok(Credential::from_pem(&chain.collect::<String>(), &key.serialize_pem())?)
    }

    /// As [`Maker::make`], or by the authority when the signer does not do it and `held` ends soon: workloads trust both.
    async fn next(
        &self,
        state: &State,
        held: Option<&Credential>,
    ) -> (Result<Credential, ServingError>, bool) {
        match self.make(state).await {
            Err(error) if self.origin.is_some() => {
                let left = held.map(|held| held.facts().remaining(SystemTime::now())).unwrap_or_default();
                self.tell(&error, left);
                match held.filter(|_| left > self.again() * 2) {
                    Some(held) => (Ok(held.clone()), false),
                    None => (self.make_own(state), false),
                }
            }
            made => {
                self.told.lock().unwrap_or_else(PoisonError::into_inner).clear();
                (made, true)
            }
        }
    }
}

impl Maker {
    fn tell(&self, error: &ServingError, left: Duration) {
        let text = error.to_string();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if *told != text {
            tracing::error!(%error, ?left, "the control plane's own certificate: trying again");
            *told = text;
        }
    }

    /// When to try again.
    fn again(&self) -> Duration {
        match self.origin {
            None => RETRY,
            Some(Origin::Files(_)) => LOOK_AGAIN,
            Some(Origin::Signer(..)) => ASK_AGAIN,
        }
    }

    /// When to make the next one.
    fn renew_in(&self, held: &Credential) -> Duration {
        match self.origin {
            Some(Origin::Files(_)) => LOOK_AGAIN,
            None | Some(Origin::Signer(..)) => renew_in(held),
        }
    }
}

fn is_of_a_domain(name: &str) -> bool {
    name.contains('.') && name.parse::<IpAddr>().is_err()
}

/// Makes the first certificate, and renews it until nobody watches any more.
///
/// # Errors
/// When the first can't be made.
pub(crate) async fn start(
    authority: &Authority,
    maker: Maker,
    metrics: Metrics,
) -> Result<(watch::Receiver<Arc<ServerConfig>>, watch::Receiver<Credential>), ServingError> {
    let mut states = authority.watch();
    let state = states.borrow_and_update().clone();
    let (made, mut is_as_wanted) = maker.next(&state, None).await;
    let mut held = made?;
    let (configs, config_receiver) = watch::channel(config(&held, &state)?);
    let (credentials, credential_receiver) = watch::channel(held.clone());
    metrics.expires(Part::serving, held.facts().not_after, SystemTime::now());
    tokio::spawn(async move {
        loop {
            let renewal = if is_as_wanted { maker.renew_in(&held) } else { maker.again() };
            let is_time = tokio::select! {
                changed = states.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    false
                }
                () = tokio::time::sleep(renewal) => true,
                () = configs.closed() => return,
            };
            let state = states.borrow_and_update().clone();
            // Of another authority, only its TLS settings depend on ours.
            let made = if is_time || maker.origin.is_none() {
                let (made, wanted) = maker.next(&state, Some(&held)).await;
                is_as_wanted = wanted && made.is_ok();
                // Of files, most looks find what they found before.
                if is_time && made.as_ref().is_ok_and(|made| is_same(made, &held)) {
                    continue;
                }
                made
            } else {
                Ok(held.clone())
            };
            match made.and_then(|made| Ok((config(&made, &state)?, made))) {
                Ok((config, credential)) => {
                    metrics.expires(Part::serving, credential.facts().not_after, SystemTime::now());
                    configs.send_replace(config);
                    credentials.send_replace(credential.clone());
                    held = credential;
                }
                Err(error) => {
                    is_as_wanted = false;
                    tracing::error!(%error, "cannot renew the control plane's own certificate");
                }
            }
        }
    });
    Ok((config_receiver, credential_receiver))
}

fn config(credential: &Credential, state: &State) -> Result<Arc<ServerConfig>, ServingError> {
    Ok(Arc::new(tls::server(credential, state.proof(), state.revocations())?))
}

fn is_same(one: &Credential, other: &Credential) -> bool {
    one.chain_pem() == other.chain_pem() && one.key_pem() == other.key_pem()
}

/// Half of what is left.
fn renew_in(credential: &Credential) -> Duration {
    (credential.facts().remaining(SystemTime::now()) / 2).max(Duration::from_millis(100))
}
