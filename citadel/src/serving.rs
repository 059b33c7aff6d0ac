//! The control plane's own certificate: signed by the authority, renewed and reloaded while it serves.
//!
//! In: the authority and its successors. Out: TLS settings for the port, new ones whenever the certificate, the trusted roots or the
//! revocation lists change. Connections that exist go on with what they began with.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use mesh_pki::{Credential, Error, keys, keys::KeyKind, tls};
use rustls::ServerConfig;
use tokio::sync::watch;

use crate::{
    Authority,
    authority::{LeafError, State},
    metrics::{Metrics, Part},
};

/// After a failure; nothing of this can fail but for lack of randomness.
const RETRY: Duration = Duration::from_secs(5);

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// It can't be signed.
    #[error(transparent)]
    Sign(#[from] LeafError),
    /// It can't be made or used.
    #[error(transparent)]
    Credential(#[from] Error),
}

/// The certificate that is current, and what was made of it.
#[derive(Debug, Clone)]
pub struct Current {
    /// For the port.
    pub config: Arc<ServerConfig>,
    /// The certificate.
    pub credential: Credential,
}

/// Makes the first certificate, and renews it until nobody watches any more.
///
/// # Errors
/// When the first can't be made.
pub(crate) fn start(
    authority: &Authority,
    names: Vec<String>,
    lifetime: Duration,
    metrics: Metrics,
) -> Result<(watch::Receiver<Arc<ServerConfig>>, watch::Receiver<Credential>), ServingError> {
    let mut states = authority.watch();
    let state = states.borrow_and_update().clone();
    let Current { config, credential } = make(&state, &names, lifetime)?;
    let mut renewal = renew_in(&credential);
    metrics.expires(Part::serving, credential.facts().not_after, SystemTime::now());
    let (configs, config_receiver) = watch::channel(config);
    let (credentials, credential_receiver) = watch::channel(credential);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                changed = states.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(renewal) => {}
                () = configs.closed() => return,
            }
            let state = states.borrow_and_update().clone();
            match make(&state, &names, lifetime) {
                Ok(Current { config, credential }) => {
                    renewal = renew_in(&credential);
                    metrics.expires(Part::serving, credential.facts().not_after, SystemTime::now());
                    configs.send_replace(config);
                    credentials.send_replace(credential);
                }
                Err(error) => {
                    renewal = RETRY;
                    tracing::error!(%error, "cannot renew the control plane's own certificate");
                }
            }
        }
    });
    Ok((config_receiver, credential_receiver))
}

fn make(state: &State, names: &[String], lifetime: Duration) -> Result<Current, ServingError> {
    let key = keys::generate(KeyKind::P256)?;
    let leaf = state.sign_server(&key, names, lifetime, SystemTime::now())?;
    let chain =
        std::iter::once(&leaf.pem).chain(state.intermediates()).map(String::as_str).collect::<String>();
    let credential = Credential::from_pem(&chain, &key.serialize_pem())?;
    let config = tls::server(&credential, state.proof(), state.revocations().to_vec())?;
    Ok(Current { config: Arc::new(config), credential })
}

/// Half of what is left.
fn renew_in(credential: &Credential) -> Duration {
    (credential.facts().remaining(SystemTime::now()) / 2).max(Duration::from_millis(100))
}
