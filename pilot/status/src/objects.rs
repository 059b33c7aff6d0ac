//! The objects that carry a status, as the API server holds them: generation and conditions, nothing else.
//!
//! In: a watch a kind. Out: a table that follows. What ingest keeps is what objects mean; what was said on them it drops.

use crate::condition::Condition;
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject},
    discovery,
    runtime::{WatchStreamExt, watcher},
};
use mesh_model::{Kind, ObjectRef};
use pilot_ingest::{
    has_status,
    kinds::{KINDS, Row},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, task::JoinSet};

/// How often a kind that the server lacks is looked for.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What an object carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// Tells an object from one of the same name that was there before.
    pub(crate) uid: Option<String>,
    /// `metadata.generation`.
    pub(crate) generation: i64,
    /// Those of its conditions that are ours.
    pub(crate) conditions: Vec<Condition>,
}

impl Held {
    /// What of `object` matters here.
    pub(crate) fn of(object: &DynamicObject) -> Self {
        let all = object.data.pointer("/status/conditions").and_then(Value::as_array);
        // Conditions of other types do not read as ours.
        let ours = all.into_iter().flatten().filter_map(|value| serde_json::from_value(value.clone()).ok());
        Self {
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation.unwrap_or(0),
            conditions: ours.collect(),
        }
    }
}

/// All objects. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Objects {
    table: Arc<Mutex<Table>>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) held: BTreeMap<ObjectRef, Held>,
    /// How the server serves each kind.
    pub(crate) resources: HashMap<Kind, ApiResource>,
}

impl Objects {
    /// Follows every kind that reports a status, as long as `tasks` live.
    pub(crate) fn watch(client: &Client, tasks: &mut JoinSet<()>) -> Self {
        let objects = Self::default();
        for row in KINDS.iter().filter(|row| row.watched && has_status(row.kind)) {
            let (objects, client) = (objects.clone(), client.clone());
            tasks.spawn(async move { objects.follow(row, client).await });
        }
        objects
    }

    /// The table as it is.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resolves when something changed since the last time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Notes what a write came to, ahead of the watch.
    pub(crate) fn wrote(&self, object: &ObjectRef, held: Held) {
        self.lock().held.insert(object.clone(), held);
    }

    async fn follow(&self, row: &'static Row, client: Client) {
        loop {
            match served(row, &client).await {
                Ok(Some(resource)) => self.stream(row.kind, &resource, &client).await,
                Ok(None) => {}
                Err(error) => tracing::debug!(kind = %row.kind, %error, "asking for the kind"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn stream(&self, kind: Kind, resource: &ApiResource, client: &Client) {
        self.lock().resources.insert(kind, resource.clone());
        let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
        let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
        let mut listed = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => {
                    let name = name(kind, &object);
                    self.lock().held.insert(name.clone(), Held::of(&object));
                    listed.insert(name);
                }
                Ok(watcher::Event::InitDone) => {
                    let listed = std::mem::take(&mut listed);
                    self.lock().held.retain(|name, _| name.kind != kind || listed.contains(name));
                }
                Ok(watcher::Event::Apply(object)) => {
                    self.lock().held.insert(name(kind, &object), Held::of(&object));
                }
                Ok(watcher::Event::Delete(object)) => {
                    self.lock().held.remove(&name(kind, &object));
                }
                Err(
                    watcher::Error::WatchStartFailed(kube::Error::Api(status))
                    | watcher::Error::InitialListFailed(kube::Error::Api(status)),
                ) if status.code == 404 => {
                    return;
                }
                Err(error) => tracing::debug!(%kind, %error, "watching for status"),
            }
            self.changed.notify_one();
        }
    }
}

async fn served(row: &Row, client: &Client) -> Result<Option<ApiResource>, kube::Error> {
    match discovery::group(client, row.group).await {
        Ok(group) => {
            let found = group.recommended_kind(row.kind.as_str()).map(|(resource, _)| resource);
            Ok(found.filter(|resource| row.versions.contains(&resource.version.as_str())))
        }
        Err(kube::Error::Discovery(kube::error::DiscoveryError::MissingApiGroup(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

fn name(kind: Kind, object: &DynamicObject) -> ObjectRef {
    ObjectRef::new(kind, object.namespace().unwrap_or_default(), object.name_any())
}
