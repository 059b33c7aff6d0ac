//! Workloads outside Kubernetes that register themselves: a WorkloadEntry for each, made from its WorkloadGroup when its proxy connects, and
//! removed when it has been gone for a while.
//!
//! In: who connects, as proven, and what agents say of their workloads' health. Out: writes of WorkloadEntries. Names, annotations and
//! conditions are Istio's, so that each control plane goes on with what the other has written. Every replica does this for the proxies
//! that are connected to it; [`sweep`] takes away what a replica that died has left, and is the leader's. It must not know streams.

mod entry;
mod store;
pub(crate) mod sweep;

use entry::{
    Health, connected, disconnected, from_group, is_newer, may_control, name_of, now, proven, with_health,
    without_health,
};
use kube::{Client, api::DynamicObject};
use mesh_model::{Kind, Labels, NamespacedName, ObjectRef, Str};
use serde_json::Value;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use store::Store;
use tokio::{sync::watch, time::sleep};

/// For how long a workload may be away before its entry goes: agents reconnect within seconds. Istio's.
pub const GRACE: Duration = Duration::from_secs(10);

/// Writes of one kind until it is given up: what is read in between may have been written by somebody else.
const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// A workload whose proxy connects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registering {
    /// Its namespace.
    pub namespace: Str,
    /// By what it registers.
    pub by: By,
    /// Its address.
    pub address: IpAddr,
    /// Its network, if it says one.
    pub network: Str,
    /// `region/zone/subzone`, if it says one.
    pub locality: String,
    /// Labels that it has beside those of its group.
    pub labels: Labels,
    /// Its agent says whether it is well.
    pub health_checked: bool,
    /// The service account that its caller has proven to be; `None`: it has proven nothing.
    pub service_account: Option<Str>,
}

/// By what a workload registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// A WorkloadGroup, from which its entry is made (`ISTIO_META_AUTO_REGISTER_GROUP`).
    Group(Str),
    /// A WorkloadEntry that is there already, of which the health is told (`ISTIO_META_WORKLOAD_ENTRY`).
    Entry(Str),
}

/// Why a workload is not registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterError {
    /// Its caller may not be this workload.
    #[error("{0}")]
    Denied(String),
    /// What it registers by is not there.
    #[error("there is no {0} to register by")]
    NotFound(ObjectRef),
    /// The API server did not do it.
    #[error("{what} {object}: {error}")]
    Write {
        /// What was tried.
        what: &'static str,
        /// With which object.
        object: ObjectRef,
        /// What came of it.
        error: Box<kube::Error>,
    },
    /// The kinds are not served.
    #[error("the API server does not serve WorkloadEntries")]
    NotServed,
}

/// Registers workloads. Cheap to clone.
#[derive(Clone)]
pub struct Registrations(Arc<Inner>);

struct Inner {
    store: Store,
    /// Who we are among the replicas.
    identity: String,
    /// Streams of each entry: a proxy that reconnects has two for a moment.
    streams: Mutex<HashMap<NamespacedName, u32>>,
}

impl Registrations {
    /// By this API server, as this replica. Must be called within a runtime.
    pub fn new(client: Client, identity: &str) -> Self {
        let (store, identity) = (Store::new(client), identity.to_owned());
        let all = Self(Arc::new(Inner { store, identity, streams: Mutex::default() }));
        tokio::spawn(sweep::forget_own(all.clone()));
        all
    }

    fn streams(&self) -> MutexGuard<'_, HashMap<NamespacedName, u32>> {
        self.0.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Registers a workload for as long as what is returned lives. Must be called within a runtime.
    ///
    /// # Errors
    /// When it may not, or cannot, be registered: its proxy is to come again.
    pub async fn register(&self, workload: &Registering) -> Result<Registered, RegisterError> {
        // Who has proven nothing costs the API server nothing.
        proven(workload).map_err(RegisterError::Denied)?;
        let made = matches!(workload.by, By::Group(_));
        let name = NamespacedName::new(workload.namespace.clone(), name_of(workload));
        let since = now();
        *self.streams().entry(name.clone()).or_default() += 1;
        // From here on its end is noted, whatever comes.
        let (health, told) = watch::channel(None);
        let registered =
            Registered { all: self.clone(), name: name.clone(), made, since: since.clone(), health };
        self.connect(workload, &name, &since).await?;
        tokio::spawn(self.clone().tell(name, told));
        Ok(registered)
    }

    async fn connect(
        &self,
        workload: &Registering,
        name: &NamespacedName,
        since: &str,
    ) -> Result<(), RegisterError> {
        let Inner { store, identity, streams: _ } = &*self.0;
        for _ in 0..ATTEMPTS {
            if let Some(entry) = store.entry(name).await? {
                may_control(workload, &entry).map_err(RegisterError::Denied)?;
                if is_newer(&entry, since) {
                    return Ok(());
                }
                if store.change(name, &connected(identity, since)).await? {
                    tracing::info!(entry = %name, "a workload has registered itself");
                    return Ok(());
                }
                continue;
            }
            let By::Group(group) = &workload.by else {
                return Err(RegisterError::NotFound(object(Kind::WorkloadEntry, name)));
            };
            let group_name = NamespacedName::new(workload.namespace.clone(), group.clone());
            let Some(group) = store.group(&group_name).await? else {
                return Err(RegisterError::NotFound(object(Kind::WorkloadGroup, &group_name)));
            };
            let entry = from_group(workload, name, &group, identity, since);
            may_control(workload, &entry).map_err(RegisterError::Denied)?;
            if store.create(name, &entry).await? {
                tracing::info!(entry = %name, group = %group_name, "a workload has registered itself for the first time");
                return Ok(());
            }
        }
        Err(RegisterError::NotFound(object(Kind::WorkloadEntry, name)))
    }

    /// Writes what the workload's agent says, as long as it is connected.
    async fn tell(self, name: NamespacedName, mut told: watch::Receiver<Option<Health>>) {
        while told.changed().await.is_ok() {
            let Some(health) = told.borrow_and_update().clone() else { continue };
            let written =
                self.edit(&name, Part::Status, |entry| with_health(entry, &self.0.identity, &health));
            if let Err(error) = written.await {
                tracing::warn!(entry = %name, %error, "writing the health of a workload");
            }
        }
    }

    /// A stream has ended: if it was the last one, the entry goes in a while.
    async fn end(self, name: NamespacedName, made: bool, since: String) {
        let left = {
            let mut streams = self.streams();
            let left = streams.get(&name).copied().unwrap_or_default().saturating_sub(1);
            match left {
                0 => streams.remove(&name),
                left => streams.insert(name.clone(), left),
            };
            left
        };
        if left > 0 {
            return;
        }
        let noted = self.edit(&name, Part::Metadata, |entry| disconnected(entry, &self.0.identity, &since));
        if let Err(error) = noted.await {
            tracing::warn!(entry = %name, %error, "noting that a workload has gone");
        }
        sleep(GRACE).await;
        if let Err(error) = self.clean(&name, made).await {
            tracing::warn!(entry = %name, %error, "removing what a workload has registered");
        }
    }

    /// Changes an entry as it is now, if there is something to change, until that is done or has been tried often enough.
    async fn edit(
        &self,
        name: &NamespacedName,
        part: Part,
        change: impl Fn(&Entry) -> Option<Value> + Send + Sync,
    ) -> Result<(), RegisterError> {
        let store = &self.0.store;
        let mut last = Ok(());
        for _ in 0..ATTEMPTS {
            let done = match store.entry(name).await {
                Ok(entry) => match (entry.as_ref().and_then(&change), part) {
                    (None, _) => return Ok(()),
                    (Some(change), Part::Metadata) => store.change(name, &change).await,
                    (Some(change), Part::Status) => store.change_status(name, &change).await,
                },
                Err(error) => Err(error),
            };
            last = match done {
                Ok(true) => return Ok(()),
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            sleep(PAUSE).await;
        }
        last
    }

    async fn clean(&self, name: &NamespacedName, made: bool) -> Result<(), RegisterError> {
        let Some(entry) = self.0.store.entry(name).await? else { return Ok(()) };
        if !entry::is_over(&entry, GRACE) {
            return Ok(());
        }
        if made {
            return self.0.store.delete(name, &entry).await;
        }
        match without_health(&entry) {
            Some(change) => self.0.store.change_status(name, &change).await.map(drop),
            None => Ok(()),
        }
    }
}

fn object(kind: Kind, name: &NamespacedName) -> ObjectRef {
    ObjectRef { kind, name: name.clone() }
}

/// What of an entry is changed.
#[derive(Debug, Clone, Copy)]
enum Part {
    Metadata,
    Status,
}

/// A workload that is registered: until this is dropped.
pub struct Registered {
    all: Registrations,
    name: NamespacedName,
    /// The entry was made for it, and goes with it.
    made: bool,
    since: String,
    health: watch::Sender<Option<Health>>,
}

impl Registered {
    /// Takes what the workload's agent says of it.
    pub fn hear(&self, well: Result<(), String>) {
        self.health.send_replace(Some(Health { well, at: now() }));
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Self { all, name, made, since, health: _ } = self;
        // Without a runtime the process ends, and the leader sweeps.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(all.clone().end(name.clone(), *made, since.clone()));
        }
    }
}

/// An object as the API server has it.
type Entry = DynamicObject;
