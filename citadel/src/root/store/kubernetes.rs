//! In a Secret of the control plane's namespace. `cacerts` goes before `istio-ca-secret`, and is never written.

use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{Patch, PatchParams, PostParams},
    runtime::{WatchStreamExt, watcher},
};
use tokio::{sync::watch, time::timeout};

use super::{
    Store, StoreError, Stored,
    secret::{self, PLUGGED_IN, ROTATE_ANNOTATION, SELF_SIGNED},
};
use crate::root::rotation::Kept;

/// How long the API server may take.
const WITHIN: Duration = Duration::from_secs(15);

/// Keeps an authority in a cluster.
#[derive(Clone)]
pub struct KubernetesStore {
    api: Api<Secret>,
    namespace: String,
    changes: watch::Receiver<u64>,
}

impl KubernetesStore {
    /// In `namespace`. Must be called within a tokio runtime: it watches both Secrets for as long as it exists.
    pub fn new(client: Client, namespace: &str) -> Self {
        let api: Api<Secret> = Api::namespaced(client, namespace);
        let (sender, changes) = watch::channel(0);
        let watch = |name: &str| {
            let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
            watcher(api.clone(), config).default_backoff().boxed()
        };
        let mut events = stream::select(watch(PLUGGED_IN), watch(SELF_SIGNED));
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = events.next() => match event {
                        Some(Ok(_)) => sender.send_modify(|count| *count += 1),
                        Some(Err(error)) => tracing::debug!(%error, "the watch on the authority's Secrets"),
                        None => return,
                    },
                    () = sender.closed() => return,
                }
            }
        });
        Self { api, namespace: namespace.to_owned(), changes }
    }

    async fn get(&self, name: &str) -> Result<Option<Secret>, StoreError> {
        within(self.api.get_opt(name)).await?.map_err(|error| unavailable(&error))
    }
}

/// Asks whoever leads for a new root.
///
/// # Errors
/// When there is no self-signed authority in `namespace`, or it can't be written.
pub async fn request_rotation(client: Client, namespace: &str) -> Result<(), StoreError> {
    let api: Api<Secret> = Api::namespaced(client, namespace);
    let unreadable = |reason: &str| StoreError::Unreadable {
        place: format!("namespace {namespace}"),
        reason: reason.to_owned(),
    };
    if within(api.get_opt(PLUGGED_IN)).await?.map_err(|error| unavailable(&error))?.is_some() {
        return Err(unreadable(
            "its root is plugged in by Secret cacerts: change it there, in steps (see the guide)",
        ));
    }
    let patch = serde_json::json!({"metadata": {"annotations": {ROTATE_ANNOTATION: "true"}}});
    let patched = within(api.patch(SELF_SIGNED, &PatchParams::default(), &Patch::Merge(&patch))).await?;
    match patched {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => {
            Err(unreadable("it has no certificate authority of Meltemi's: is the control plane there?"))
        }
        Err(error) => Err(unavailable(&error)),
    }
}

async fn within<T>(call: impl Future<Output = T>) -> Result<T, StoreError> {
    timeout(WITHIN, call).await.map_err(|_| unavailable(&"the API server takes too long"))
}

fn unavailable(error: &dyn std::fmt::Display) -> StoreError {
    StoreError::Unavailable(format!("the authority's Secret: {error}"))
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

impl Store for KubernetesStore {
    async fn load(&self) -> Result<Option<Stored>, StoreError> {
        if let Some(secret) = self.get(PLUGGED_IN).await? {
            return secret::read(&secret, true).map(Some);
        }
        match self.get(SELF_SIGNED).await? {
            Some(secret) => secret::read(&secret, false).map(Some),
            None => Ok(None),
        }
    }

    async fn create(&self, kept: &Kept) -> Result<bool, StoreError> {
        let secret = secret::write(kept, &self.namespace, None)?;
        match within(self.api.create(&PostParams::default(), &secret)).await? {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn replace(&self, before: &Stored, kept: &Kept) -> Result<bool, StoreError> {
        let secret = secret::write(kept, &self.namespace, Some(&before.version))?;
        match within(self.api.replace(SELF_SIGNED, &PostParams::default(), &secret)).await? {
            Ok(_) => Ok(true),
            Err(error) if is_conflict(&error) => Ok(false),
            Err(error) => Err(unavailable(&error)),
        }
    }

    async fn changed(&mut self) {
        if self.changes.changed().await.is_err() {
            // The watch has ended with the runtime.
            std::future::pending::<()>().await;
        }
    }

    fn place(&self, plugged_in: bool) -> String {
        let name = if plugged_in { PLUGGED_IN } else { SELF_SIGNED };
        format!("Secret {}/{name}", self.namespace)
    }
}
