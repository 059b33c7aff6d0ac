//! Secrets and ConfigMaps of a cluster, one watch for each that somebody names: the others are nobody's business, and many.
//!
//! In: their names, as they come and go. Out: edits. One that is not there, or may not be read, is said as well: whoever names it waits to hear.

use crate::{
    at::Context,
    kinds::{KeyMaterial, Model, Object, row},
    object::parse_object,
    store::Edit,
    suppress::Suppress,
    updates::Input,
};
use futures::StreamExt;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::{WatchStreamExt, watcher},
};
use mesh_model::{NamespacedName, ObjectRef, Source};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{
    sync::{mpsc, watch},
    task::{AbortHandle, JoinSet},
};

/// Those that are wanted, and their successors.
pub type Wanted = watch::Receiver<BTreeSet<ObjectRef>>;

/// Follows those that are wanted, until nobody listens.
pub async fn follow(client: Client, context: Context, mut wanted: Wanted, inputs: mpsc::Sender<Input>) {
    // Ends what it began when it ends.
    let mut tasks = JoinSet::new();
    let mut watches: BTreeMap<ObjectRef, (AbortHandle, Arc<tokio::sync::Mutex<()>>)> = BTreeMap::new();
    loop {
        let now = wanted.borrow_and_update().clone();
        let gone: Vec<ObjectRef> = watches.keys().filter(|object| !now.contains(*object)).cloned().collect();
        for object in gone {
            let Some((watch, saying)) = watches.remove(&object) else { continue };
            // What it is about to say comes before its end, or never.
            let silent = saying.lock_owned().await;
            watch.abort();
            let forgotten = Input::Edits(vec![Edit::Delete(object)]);
            if inputs.send(forgotten).await.is_err() {
                return;
            }
            drop(silent);
        }
        for object in now {
            watches.entry(object).or_insert_with_key(|object| {
                let saying = Arc::<tokio::sync::Mutex<()>>::default();
                let watch = ObjectWatch {
                    object: object.clone(),
                    context: context.clone(),
                    inputs: inputs.clone(),
                    saying: saying.clone(),
                    is_known: false,
                };
                (tasks.spawn(watch.run(client.clone())), saying)
            });
        }
        while tasks.try_join_next().is_some() {}
        if wanted.changed().await.is_err() {
            return;
        }
    }
}

/// The watch of one of them.
struct ObjectWatch {
    object: ObjectRef,
    context: Context,
    inputs: mpsc::Sender<Input>,
    /// Held while something is said.
    saying: Arc<tokio::sync::Mutex<()>>,
    /// Whether anything was said: while the API server is away, that holds.
    is_known: bool,
}

impl ObjectWatch {
    async fn run(mut self, client: Client) {
        let ObjectRef { kind, name: NamespacedName { namespace, name } } = &self.object;
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", kind.as_str()));
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut listed = None;
        while let Some(event) = events.next().await {
            let said = match event {
                Ok(watcher::Event::Init) => {
                    listed = None;
                    continue;
                }
                Ok(watcher::Event::InitApply(object)) => {
                    listed = Some(object);
                    continue;
                }
                Ok(watcher::Event::InitDone) => match listed.take() {
                    Some(object) => self.parse(object),
                    None => Some(self.without(KeyMaterial::Absent)),
                },
                Ok(watcher::Event::Apply(object)) => self.parse(object),
                Ok(watcher::Event::Delete(_)) => Some(self.without(KeyMaterial::Absent)),
                Err(error) => {
                    tracing::warn!(object = %self.object, %error, "watching");
                    is_forbidden(&error)
                        .then_some(())
                        .filter(|()| !self.is_known)
                        .map(|()| self.without(KeyMaterial::Closed(FORBIDDEN.into())))
                }
            };
            if let Some(object) = said {
                let _saying = self.saying.lock().await;
                self.is_known |= !matches!(&object.model, Some(Model::KeyMaterial(found)) if matches!(**found, KeyMaterial::Closed(_)));
                if self.inputs.send(Input::Edits(vec![Edit::Apply(object)])).await.is_err() {
                    return;
                }
            }
        }
    }

    fn parse(&self, object: DynamicObject) -> Option<Object> {
        let DynamicObject { types: _, mut metadata, data } = object;
        metadata.managed_fields = None;
        // The last applied configuration would be the object once more.
        metadata.annotations = None;
        let mut value = data;
        if let (Some(fields), Ok(metadata)) = (value.as_object_mut(), serde_json::to_value(metadata)) {
            fields.insert("metadata".to_owned(), metadata);
        } else {
            value = Value::Null;
        }
        parse_object(row(self.object.kind)?, value, Source::Cluster, &self.context).ok()
    }

    /// Stands for an object that is not there, or not for us.
    fn without(&self, material: KeyMaterial) -> Object {
        Object {
            object: self.object.clone(),
            source: Source::Cluster,
            generation: 0,
            model: Some(Model::KeyMaterial(Arc::new(material))),
            problems: Vec::new(),
            references: Vec::new(),
            suppress: Suppress::default(),
        }
    }
}

/// Why one may not be read, and what to do.
const FORBIDDEN: &str =
    "the control plane may not read it: give it the rights in charts/rbac/control-plane-options.yaml";

fn is_forbidden(error: &watcher::Error) -> bool {
    match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status)) => status.code == 403,
        _ => false,
    }
}
