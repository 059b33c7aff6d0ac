//! The objects that carry a status, as the API server holds them: generation and conditions, nothing else.
//!
//! In: a watch a kind. Out: a table that follows. What ingest keeps is what objects mean; what was said on them it drops.

use crate::condition::{Condition, ConditionType};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject},
    runtime::{WatchStreamExt, watcher},
};
use mesh_model::{Kind, ObjectRef};
use pilot_ingest::{
    has_status,
    kinds::{KINDS, Row},
    served,
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
    /// The others, as they are.
    pub(crate) others: Vec<Value>,
    /// The version of the object that carries them.
    pub(crate) version: Option<String>,
}

/// How the server serves a kind.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) resource: ApiResource,
    /// Whether it merges the conditions of several writers. Istio's own CRDs do not say that it should.
    pub(crate) merges: bool,
}

impl Held {
    /// What of `object` matters here.
    pub(crate) fn of(object: &DynamicObject) -> Self {
        let all = object.data.pointer("/status/conditions").and_then(Value::as_array);
        let (mut conditions, mut others) = (Vec::new(), Vec::new());
        for value in all.into_iter().flatten() {
            // Conditions of other types do not read as ours.
            match serde_json::from_value(value.clone()) {
                Ok(condition) => conditions.push(condition),
                Err(_) if !is_ours(value) => others.push(value.clone()),
                // One of ours in a form that is not: it is replaced.
                Err(_) => {}
            }
        }
        Self {
            uid: object.metadata.uid.clone(),
            generation: object.metadata.generation.unwrap_or(0),
            conditions,
            others,
            version: object.metadata.resource_version.clone(),
        }
    }
}

fn is_ours(condition: &Value) -> bool {
    condition.get("type").is_some_and(|name| serde_json::from_value::<ConditionType>(name.clone()).is_ok())
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
    pub(crate) served: HashMap<Kind, Served>,
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
            match served(&client, row).await {
                Ok(Some(resource)) => match merges(&resource, &client).await {
                    Ok(Some(merges)) => {
                        let served = Served { resource: resource.clone(), merges };
                        self.lock().served.insert(row.kind, served);
                        self.stream(row.kind, &resource, &client).await;
                    }
                    // A server publishes what a CRD says a moment after it serves it.
                    Ok(None) => tracing::debug!(kind = %row.kind, "its schema is not published yet"),
                    Err(error) => tracing::warn!(kind = %row.kind, %error, "asking for its schema"),
                },
                Ok(None) => {}
                Err(error) => tracing::debug!(kind = %row.kind, %error, "asking for the kind"),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn stream(&self, kind: Kind, resource: &ApiResource, client: &Client) {
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

/// Whether the server merges entries of `status.conditions` by their types, by the schema that it publishes; `None` when there is none.
async fn merges(resource: &ApiResource, client: &Client) -> Result<Option<bool>, kube::Error> {
    let ApiResource { group, version, kind, .. } = resource;
    let request = http::Request::get(format!("/openapi/v3/apis/{group}/{version}")).body(Vec::new());
    let document: Value = client.request(request.map_err(kube::Error::HttpError)?).await?;
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let is_kind = |schema: &&Value| {
        let names = schema.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        names.into_iter().flatten().any(|name| name.get("kind").and_then(Value::as_str) == Some(kind))
    };
    let schema = schemas.into_iter().flat_map(|schemas| schemas.values()).find(is_kind);
    let list = |schema: &Value| {
        let conditions = schema.pointer("/properties/status/properties/conditions");
        conditions.and_then(|conditions| conditions.get("x-kubernetes-list-type")) == Some(&"map".into())
    };
    Ok(schema.map(list))
}

fn name(kind: Kind, object: &DynamicObject) -> ObjectRef {
    ObjectRef::new(kind, object.namespace().unwrap_or_default(), object.name_any())
}
