//! The API servers that judge tokens: this cluster's, and those of the other clusters of the mesh.
//!
//! In: the name of a cluster, as a caller says it. Out: its API server, or that there is none. Which other clusters there are, Secrets say
//! ([`follow`]), and that may change at any time; nothing restarts.

mod follow;
mod kubeconfig;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, PoisonError, RwLock},
};

use kube::Client;
use tokio::sync::Semaphore;

use super::Refusal;

pub(crate) use follow::follow;
pub use kubeconfig::KubeconfigError;

/// Reviews in flight at one API server: one that hangs must not take the others' turn.
const AT_ONCE: usize = 64;

/// An API server that is asked about tokens.
#[derive(Clone)]
pub(crate) struct Reviewer {
    /// How to reach it.
    pub(crate) client: Client,
    /// Told apart from the API server that had this name before.
    pub(super) generation: u64,
    pub(super) permits: Arc<Semaphore>,
}

impl Reviewer {
    fn new(client: Client, generation: u64) -> Self {
        Self { client, generation, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

/// The API servers that judge tokens. Cheap to clone; clones are views of the same ones.
#[derive(Clone)]
pub struct Clusters {
    local: Arc<str>,
    own: Reviewer,
    remote: Arc<RwLock<Remote>>,
}

/// Clusters besides this one.
struct Remote {
    /// Whether it is known which there are.
    listed: bool,
    /// By Secret and cluster, what the Secret says of it.
    written: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// By cluster, those that can be reached, and what was written of them.
    known: HashMap<String, (Vec<u8>, Reviewer)>,
    generation: u64,
}

impl Clusters {
    /// The cluster `local`, reached by `client`, alone.
    pub fn new(local: &str, client: Client) -> Self {
        let remote = Remote { listed: true, written: BTreeMap::new(), known: HashMap::new(), generation: 0 };
        Self { local: local.into(), own: Reviewer::new(client, 0), remote: Arc::new(RwLock::new(remote)) }
    }

    /// This cluster's name.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The other clusters of the mesh that can be reached now, by name.
    pub fn remote(&self) -> Vec<String> {
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<String> = remote.known.keys().cloned().collect();
        names.sort();
        names
    }

    /// The API server of the cluster that a caller names; of this one if it names none. Never another's than the named one: a token of one
    /// would be taken for a workload of the other.
    pub(crate) fn reviewer(&self, cluster: Option<&str>) -> Result<(Arc<str>, Reviewer), Refusal> {
        let Some(name) = cluster.filter(|name| !name.is_empty() && **name != *self.local) else {
            return Ok((self.local.clone(), self.own.clone()));
        };
        let remote = self.remote.read().unwrap_or_else(PoisonError::into_inner);
        match remote.known.get(name) {
            Some((_, reviewer)) => Ok((name.into(), reviewer.clone())),
            None if !remote.listed => {
                Err(Refusal::Unavailable("it is not known yet which other clusters there are".to_owned()))
            }
            None => Err(Refusal::Unproven(format!("there is no cluster `{}`", name.escape_debug()))),
        }
    }

    /// From now on other clusters are known by their Secrets, and until these are listed, not at all.
    fn await_list(&self) {
        self.remote.write().unwrap_or_else(PoisonError::into_inner).listed = false;
    }

    /// What all Secrets say.
    async fn set_all(&self, written: BTreeMap<String, BTreeMap<String, Vec<u8>>>) {
        self.change(|remote| {
            remote.written = written;
            remote.listed = true;
        })
        .await;
    }

    /// What one Secret says; nothing once it is gone.
    async fn set(&self, secret: String, clusters: BTreeMap<String, Vec<u8>>) {
        self.change(|remote| {
            if clusters.is_empty() {
                remote.written.remove(&secret);
            } else {
                remote.written.insert(secret, clusters);
            }
        })
        .await;
    }

    async fn change(&self, change: impl FnOnce(&mut Remote)) {
        let (wanted, fresh) = {
            let mut remote = self.remote.write().unwrap_or_else(PoisonError::into_inner);
            change(&mut remote);
            let wanted = remote.wanted(&self.local);
            // What is gone or has changed is no longer asked, whether or not its successor can be.
            remote.known.retain(|name, (before, _)| wanted.get(name).is_some_and(|now| now == before));
            let known = &remote.known;
            let fresh = wanted.iter().filter(|(name, _)| !known.contains_key(*name));
            let fresh: Vec<(String, Vec<u8>)> =
                fresh.map(|(name, written)| (name.clone(), written.clone())).collect();
            (wanted.len(), fresh)
        };
        for (name, written) in fresh {
            // No lock is held meanwhile; only the one task that follows the Secrets gets here.
            match kubeconfig::client(&written).await {
                Ok(client) => {
                    let mut remote = self.remote.write().unwrap_or_else(PoisonError::into_inner);
                    remote.generation += 1;
                    let reviewer = Reviewer::new(client, remote.generation);
                    remote.known.insert(name.clone(), (written, reviewer));
                    tracing::info!(cluster = name, clusters = wanted, "tokens of this cluster are taken");
                }
                Err(error) => tracing::error!(
                    cluster = name,
                    %error,
                    "the kubeconfig of this cluster is not taken, nor are tokens of its workloads"
                ),
            }
        }
    }
}

impl Remote {
    /// By cluster, what is written of it: by the first Secret in alphabetical order, where two speak of one.
    fn wanted(&self, local: &str) -> BTreeMap<String, Vec<u8>> {
        let mut wanted = BTreeMap::new();
        for (secret, clusters) in &self.written {
            for (cluster, kubeconfig) in clusters {
                if cluster == local {
                    tracing::error!(
                        secret,
                        cluster,
                        "this is the name of the cluster that the control plane is in: left out"
                    );
                } else if wanted.contains_key(cluster) {
                    tracing::error!(
                        secret,
                        cluster,
                        "another Secret describes this cluster already: left out"
                    );
                } else {
                    wanted.insert(cluster.clone(), kubeconfig.clone());
                }
            }
        }
        wanted
    }
}
