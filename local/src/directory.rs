//! What runs, for whoever asks: the live table in this process, and `meltemi call` from another one.
//!
//! In: the replicas, as the local mesh starts and stops them. Out: [`Entry`]s, in process or as JSON at
//! `/debug/workloads`. It can look at a replica but not touch it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use axum::{Json, Router, extract::State, routing::get};
use mesh_model::{LocalPort, NamespacedName};
use mesh_runtime::admin_client::{self, AdminClientError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{HTTP_PROXY_PORT, Identity, echo::RequestCounter, envoy::SidecarState, readiness::ReadySet};

/// Where the entries are served.
pub const PATH: &str = "/debug/workloads";

/// One replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Who it is.
    #[serde(flatten)]
    pub identity: Identity,
    /// Where its sidecar listens.
    pub pod_address: IpAddr,
    /// Where the application listens, behind the sidecar.
    pub application: IpAddr,
    /// The application's ports.
    pub ports: Vec<Port>,
    /// Where its sidecar takes outbound requests.
    pub http_proxy: SocketAddr,
    /// Where its sidecar's admin interface is.
    pub admin: SocketAddr,
    /// How its sidecar is doing.
    pub sidecar: SidecarState,
    /// The SPIFFE id in its certificate, once it has one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub spiffe_id: Option<Arc<str>>,
    /// Whether its sidecar and its application are ready: only then Services lead to it.
    #[serde(default)]
    pub ready: bool,
    /// Why the application does not run, if so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Requests that the application has answered.
    pub requests: u64,
}

/// A port of an application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its number.
    pub number: u16,
    /// What it speaks, such as `http`.
    pub protocol: String,
}

impl From<&LocalPort> for Port {
    fn from(port: &LocalPort) -> Self {
        let LocalPort { number, protocol } = port;
        Self { number: *number, protocol: format!("{protocol:?}").to_lowercase() }
    }
}

/// A replica as the directory holds it: what stays, and where to read what changes.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) identity: Identity,
    pub(crate) pod_address: IpAddr,
    pub(crate) application: IpAddr,
    pub(crate) ports: Vec<Port>,
    pub(crate) admin: SocketAddr,
    pub(crate) sidecar: watch::Receiver<SidecarState>,
    pub(crate) spiffe_id: watch::Receiver<Option<Arc<str>>>,
    pub(crate) echo: Result<RequestCounter, String>,
}

impl Member {
    fn entry(&self, ready: bool) -> Entry {
        let Self { identity, pod_address, application, ports, admin, sidecar, spiffe_id, echo } = self;
        Entry {
            identity: identity.clone(),
            pod_address: *pod_address,
            application: *application,
            ports: ports.clone(),
            http_proxy: SocketAddr::new(*pod_address, HTTP_PROXY_PORT),
            admin: *admin,
            sidecar: sidecar.borrow().clone(),
            spiffe_id: spiffe_id.borrow().clone(),
            ready,
            error: echo.as_ref().err().cloned(),
            requests: echo.as_ref().map_or(0, RequestCounter::get),
        }
    }
}

/// All replicas of the local mesh. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Directory {
    members: Arc<RwLock<BTreeMap<NamespacedName, Member>>>,
    changes: Arc<watch::Sender<u64>>,
    ready: ReadySet,
}

impl Default for Directory {
    fn default() -> Self {
        Self { members: Arc::default(), changes: Arc::new(watch::Sender::new(0)), ready: ReadySet::default() }
    }
}

impl Directory {
    /// The replicas at this moment, by namespace and name.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |(name, member): (&NamespacedName, &Member)| member.entry(self.ready.contains(name));
        self.read().iter().map(entry).collect()
    }

    /// A number that grows with each change of the set of replicas or of a sidecar's state.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Which of them are ready, for whoever sends requests only to those.
    pub fn ready(&self) -> &ReadySet {
        &self.ready
    }

    /// The route [`PATH`], for the process's admin server.
    pub fn router(&self) -> Router {
        Router::new().route(PATH, get(entries)).with_state(self.clone())
    }

    pub(crate) fn change_counter(&self) -> Arc<watch::Sender<u64>> {
        self.changes.clone()
    }

    pub(crate) fn put(&self, name: NamespacedName, member: Member) {
        self.write().insert(name, member);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn remove(&self, name: &NamespacedName) {
        self.write().remove(name);
        self.changes.send_modify(|count| *count += 1);
    }

    // Nothing is left half done under the lock, so a panic elsewhere is no reason to stop showing.
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<NamespacedName, Member>> {
        self.members.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<NamespacedName, Member>> {
        self.members.write().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn entries(State(directory): State<Directory>) -> Json<Vec<Entry>> {
    Json(directory.entries())
}

/// The replicas that a running `meltemi up` serves at `address`.
///
/// # Errors
/// When nobody answers there, or not with a directory.
pub async fn fetch(address: SocketAddr) -> Result<Vec<Entry>, AdminClientError> {
    let body = admin_client::get(address, PATH).await?;
    serde_json::from_slice(&body).map_err(|error| AdminClientError::Body {
        address,
        path: PATH.to_owned(),
        reason: error.to_string(),
    })
}

/// No replica can be meant by a name, or more than one workload.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing is called so.
    #[error("no workload `{name}`; there are: {}", known.join(", "))]
    Unknown {
        /// The name.
        name: String,
        /// The names of all workloads.
        known: Vec<String>,
    },
    /// It is in several namespaces.
    #[error("`{name}` may be any of {}: add the namespace", candidates.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// The names that tell them apart.
        candidates: Vec<String>,
    },
}

/// The replicas that `name` means: a pod, a Deployment, or an application, with `.namespace` or without.
///
/// # Errors
/// When there is none, or when several namespaces have one.
pub fn find<'a>(entries: &'a [Entry], name: &str) -> Result<Vec<&'a Entry>, FindError> {
    let called = |wanted: &str, namespace: Option<&str>| -> Vec<&'a Entry> {
        let names: [fn(&Identity) -> &str; 3] = [|i| &i.pod, |i| &i.workload, |i| &i.app];
        let here = |entry: &&Entry| namespace.is_none_or(|namespace| *entry.identity.namespace == *namespace);
        let matching = names.into_iter().map(|name_of| {
            entries.iter().filter(here).filter(|entry| name_of(&entry.identity) == wanted).collect()
        });
        matching.into_iter().find(|found: &Vec<_>| !found.is_empty()).unwrap_or_default()
    };
    let mut found = called(name, None);
    if let (true, Some((short, namespace))) = (found.is_empty(), name.rsplit_once('.')) {
        found = called(short, Some(namespace));
    }
    let full_names = |entries: &mut dyn Iterator<Item = &Entry>| {
        let mut names: Vec<String> = entries
            .map(|entry| format!("{}.{}", entry.identity.workload, entry.identity.namespace))
            .collect();
        names.sort();
        names.dedup();
        names
    };
    let Some(first) = found.first() else {
        return Err(FindError::Unknown { name: name.to_owned(), known: full_names(&mut entries.iter()) });
    };
    if found.iter().any(|entry| entry.identity.namespace != first.identity.namespace) {
        let candidates = full_names(&mut found.iter().copied());
        return Err(FindError::Ambiguous { name: name.to_owned(), candidates });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(app: &str, workload: &str, index: usize, namespace: &str) -> Entry {
        let address = IpAddr::from([127, 64, 0, 1]);
        Entry {
            identity: Identity {
                pod: format!("{workload}-{index}").into(),
                namespace: namespace.into(),
                workload: workload.into(),
                app: app.into(),
                version: "".into(),
            },
            pod_address: address,
            application: address,
            ports: Vec::new(),
            http_proxy: SocketAddr::new(address, HTTP_PROXY_PORT),
            admin: SocketAddr::new(address, crate::ADMIN_PORT),
            sidecar: SidecarState::Ready,
            spiffe_id: Some("spiffe://cluster.local/ns/shop/sa/cart".into()),
            ready: true,
            error: None,
            requests: 0,
        }
    }

    #[test]
    fn a_name_may_be_a_pod_a_deployment_or_an_application() {
        let entries = [
            entry("reviews", "reviews-v1", 0, "shop"),
            entry("reviews", "reviews-v1", 1, "shop"),
            entry("reviews", "reviews-v2", 0, "shop"),
            entry("cart", "cart", 0, "shop"),
            entry("cart", "cart", 0, "other"),
        ];
        let count = |name| find(&entries, name).map(|found| found.len());
        assert_eq!(count("reviews-v1-1"), Ok(1));
        assert_eq!(count("reviews-v1"), Ok(2));
        assert_eq!(count("reviews"), Ok(3));
        assert_eq!(count("reviews.shop"), Ok(3));
        assert_eq!(count("cart.other"), Ok(1));
        let error = find(&entries, "cart").unwrap_err().to_string();
        assert_eq!(error, "`cart` may be any of cart.other, cart.shop: add the namespace");
        let error = find(&entries, "car").unwrap_err().to_string();
        assert!(error.starts_with("no workload `car`; there are: cart.other"), "{error}");
    }

    #[test]
    fn entries_survive_json() {
        let mut down = entry("cart", "cart", 0, "shop");
        down.sidecar = SidecarState::Down { reason: "ended".to_owned() };
        for entry in [down, entry("cart", "cart", 1, "shop")] {
            let json = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry, "{json}");
        }
    }
}
