//! Which other clusters belong to the mesh.
//!
//! In: Secrets of the control plane's namespace with Istio's label, as `istioctl create-remote-secret` writes them: each key is the name of
//! a cluster, its value a kubeconfig. Out: [`Clusters`], as they are now.

use std::collections::BTreeMap;

use futures::StreamExt;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, Client, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};

use super::Clusters;

/// Marks Secrets that describe clusters.
const LABEL: &str = "istio/multiCluster=true";

/// Keeps `clusters` up to date, as long as it is polled. From this call on, other clusters are known by their Secrets alone.
pub(crate) fn follow(
    client: Client,
    namespace: String,
    clusters: Clusters,
) -> impl Future<Output = ()> + Send {
    clusters.await_list();
    run(client, namespace, clusters)
}

async fn run(client: Client, namespace: String, clusters: Clusters) {
    let api: Api<Secret> = Api::namespaced(client, &namespace);
    let watch = watcher::watcher(api, watcher::Config::default().labels(LABEL)).default_backoff();
    let mut events = std::pin::pin!(watch);
    let mut list = BTreeMap::new();
    let mut told = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => list.clear(),
            Ok(Event::InitApply(secret)) => {
                let (name, written) = read(secret);
                list.insert(name, written);
            }
            Ok(Event::InitDone) => {
                told = false;
                clusters.set_all(std::mem::take(&mut list)).await;
            }
            Ok(Event::Apply(secret)) => {
                let (name, written) = read(secret);
                clusters.set(name, written).await;
            }
            Ok(Event::Delete(secret)) => clusters.set(secret.name_any(), BTreeMap::new()).await,
            // What is known stays.
            Err(error) if !std::mem::replace(&mut told, true) => {
                tracing::warn!(%error, namespace, label = LABEL, "cannot watch the Secrets of other clusters");
            }
            Err(_) => {}
        }
    }
}

fn read(secret: Secret) -> (String, BTreeMap<String, Vec<u8>>) {
    let name = secret.name_any();
    let data = secret.data.unwrap_or_default();
    (name, data.into_iter().map(|(cluster, ByteString(kubeconfig))| (cluster, kubeconfig)).collect())
}
