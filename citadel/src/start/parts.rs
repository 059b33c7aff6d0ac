//! What the authority is put together from.
//!
//! In: settings, and where it is kept. Out: a replica that the others know, a loaded authority, whoever signs, and someone who looks after how
//! long all lives.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use kube::Client;
use mesh_pki::Credential;
use tokio::{sync::watch, task::AbortHandle};

use super::StartError;
use crate::{
    Authority,
    config::ServingSigner,
    issue::{GrpcSigner, Issue, KubernetesSigner, Signer, SignerName},
    ledger::Ledger,
    metrics::Metrics,
    replicas::{Replicas, ReplicasError},
    report::{self, Report, Warner},
    root::{
        Loaded, RootError,
        create::Request,
        load_or_create,
        store::{MemoryStore, Store, StoreError, Stored},
    },
    serving::{Origin, ServingFiles},
};

/// Between two attempts to get at the authority.
const RETRY: Duration = Duration::from_secs(2);
/// How often metrics and warnings are looked after.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Where the authority is kept, and whether this replica may write there.
pub(super) struct Keeping<S> {
    pub(super) store: S,
    pub(super) leading: watch::Receiver<bool>,
    /// The same store, if it is one that can be asked for a new root.
    pub(super) memory: Option<MemoryStore>,
    /// What runs for it.
    pub(super) tasks: Vec<AbortHandle>,
    /// The other replicas, if there may be any.
    pub(super) replicas: Option<Replicas>,
}

/// Lets the other replicas know that there is this one, before there is an authority that it could sign with.
pub(super) async fn register(mut replicas: Replicas) -> Option<Replicas> {
    loop {
        match replicas.register(SystemTime::now()).await {
            Ok(()) => return Some(replicas),
            Err(ReplicasError::Kube(kube::Error::Api(status))) if status.code == 403 => {
                let why = status.message.clone();
                tracing::warn!(
                    why,
                    "replicas can't share how workloads stand: changes of the root wait for the longest certificate"
                );
                return None;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot let the other replicas know of this one: trying again");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// Whoever signs for workloads.
pub(super) fn issuer(
    signer: Signer,
    client: Option<Client>,
    authority: &Authority,
) -> Result<Arc<dyn Issue>, StartError> {
    Ok(match signer {
        Signer::Own => Arc::new(authority.clone()),
        Signer::Kubernetes { name, roots: _ } => {
            let client = client.ok_or(StartError::NoCluster)?;
            Arc::new(KubernetesSigner::new(client, name, authority.clone()))
        }
        Signer::Elsewhere(elsewhere) => Arc::new(GrpcSigner::new(*elsewhere, authority.clone())?),
    })
}

/// Loads the authority, however long it takes to get at it, and to put it right if what is kept makes none: a new one in its place would lock
/// every workload out.
pub(super) async fn load(
    store: &impl Store,
    request: &Request,
    metrics: &Metrics,
) -> Result<Loaded, RootError> {
    let (since, mut told) = (Instant::now(), String::new());
    loop {
        match load_or_create(store, request).await {
            Err(RootError::Store(error @ StoreError::Unavailable(_))) => {
                let waiting = since.elapsed().as_secs();
                tracing::warn!(%error, waiting, "there is no certificate authority yet: trying again");
            }
            Err(error @ (RootError::Store(StoreError::Unreadable { .. }) | RootError::Material { .. })) => {
                let error = error.to_string();
                if error != told {
                    metrics.reloads_refused.inc();
                    tracing::error!(
                        error,
                        "there is no certificate authority, and this replica is not ready, until this is put right"
                    );
                    told = error;
                }
            }
            outcome => return outcome,
        }
        tokio::time::sleep(RETRY).await;
    }
}

pub(super) async fn look_after(
    metrics: Metrics,
    authority: Authority,
    ledger: Ledger,
    stored: watch::Receiver<Stored>,
    serving: watch::Receiver<Credential>,
) {
    let mut warner = Warner::default();
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let (now, state) = (SystemTime::now(), authority.current());
        let standing = ledger.standing(state.bundle().digest(), now);
        report::measure(&metrics, &state, &standing, now);
        warner.look(&Report::new(&state, &stored.borrow(), &serving.borrow(), &standing, now));
    }
}

/// Who signs the control plane's own certificate, if that is not its authority.
pub(super) fn signer_of_own(
    serving: ServingSigner,
    client: Option<&Client>,
    authority: &Authority,
) -> Result<Option<Origin>, StartError> {
    match (serving, client) {
        (ServingSigner::Own, _) => Ok(None),
        (ServingSigner::Kubernetes { .. }, None) => Err(StartError::NoCluster),
        (ServingSigner::Kubernetes { name, roots: _ }, Some(client)) => {
            let names = SignerName { usual: Some(name.clone()), domain: None };
            let signer = KubernetesSigner::new(client.clone(), names, authority.clone());
            Ok(Some(Origin::Signer(Box::new(signer), name)))
        }
        (ServingSigner::Files { certificate, key, roots: _ }, _) => {
            Ok(Some(Origin::Files(ServingFiles { certificate, key })))
        }
    }
}
