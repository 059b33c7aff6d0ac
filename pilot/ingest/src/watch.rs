//! A Kubernetes API server, one watch a kind.
//!
//! In: list and watch streams of untyped objects. Out: edits. An object that cannot be decoded is a problem on that object; a
//! broken watch changes nothing, and the list after it replaces everything at once; a kind whose CRD is not installed has no objects
//! and is looked for again.

mod value;

use crate::{
    at::Context,
    kinds::{KINDS, Object, Row},
    object::parse_object,
    settings::SourceError,
    store::Edit,
    updates::Input,
};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use kube::{
    Api, Client, Config, ResourceExt,
    api::{ApiResource, DynamicObject},
    config::{KubeConfigOptions, Kubeconfig},
    core::GroupVersionKind,
    discovery,
    runtime::{WatchStreamExt, watcher},
};
use mesh_model::{Kind, ObjectRef, Source};
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};
use value::value_of;

/// Events that are handed on together when they come together.
const BATCH: usize = 256;
/// How often a kind that the server lacks is looked for, at least.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A client for the API server.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, SourceError> {
    let cluster = |error: &dyn std::fmt::Display| SourceError::Cluster(error.to_string());
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(path).map_err(|error| cluster(&error))?;
            let options = KubeConfigOptions::default();
            Config::from_custom_kubeconfig(file, &options).await.map_err(|error| cluster(&error))?
        }
        None => Config::infer().await.map_err(|error| cluster(&error))?,
    };
    Client::try_from(config).map_err(|error| cluster(&error))
}

/// Whether there is an API server that answers, for whoever would otherwise wait for lists that never come.
pub async fn reach(client: &Client) -> Result<(), SourceError> {
    client.apiserver_version().await.map(drop).map_err(|error| SourceError::Unreachable(error.to_string()))
}

/// How the server serves a kind; `None` when it does not. Of the versions that are understood, the first: a group has a preferred version,
/// but not all of its kinds are in that.
pub async fn served(client: &Client, row: &Row) -> Result<Option<ApiResource>, kube::Error> {
    let group = match discovery::group(client, row.group).await {
        Err(kube::Error::Discovery(kube::error::DiscoveryError::MissingApiGroup(_))) => return Ok(None),
        group => group?,
    };
    let of_version = |version: &&str| {
        let resources = group.versioned_resources(version).into_iter().map(|(resource, _)| resource);
        resources.into_iter().find(|resource| resource.kind == row.kind.as_str())
    };
    Ok(row.versions.iter().find_map(of_version))
}

/// What the watches share.
#[derive(Clone)]
struct Shared {
    client: Client,
    context: Context,
    inputs: mpsc::Sender<Input>,
    /// Kinds of which the first list is not in yet.
    missing: Arc<AtomicUsize>,
}

/// Watches every kind.
pub fn start(client: Client, context: Context, inputs: mpsc::Sender<Input>, tasks: &mut JoinSet<()>) {
    let rows: Vec<&'static Row> = KINDS
        .iter()
        .filter(|row| row.watched && (row.kind != Kind::MeshConfig || context.mesh_config_name.is_some()))
        .collect();
    let missing = Arc::new(AtomicUsize::new(rows.len()));
    let shared = Shared { client, context, inputs, missing };
    for row in rows {
        let mut watch = KindWatch { row, shared: shared.clone(), listed: false };
        tasks.spawn(async move { watch.run().await });
    }
}

/// The watch of one kind.
struct KindWatch {
    row: &'static Row,
    shared: Shared,
    /// Whether its first list is in.
    listed: bool,
}

/// Nobody wants edits any more.
struct Closed;

impl KindWatch {
    async fn run(&mut self) {
        let mut backoff = watcher::DefaultBackoff::default();
        loop {
            let wait = match self.discover().await {
                Ok(Some(resource)) => {
                    backoff = watcher::DefaultBackoff::default();
                    match self.follow(&resource).await {
                        Ok(()) => LOOK_AGAIN,
                        Err(Closed) => return,
                    }
                }
                Ok(None) => {
                    if !self.listed {
                        tracing::warn!(kind = %self.row.kind, "the API server has no such kind; is the CRD installed?");
                        if self.edit(vec![self.relist(Vec::new())]).await.is_err()
                            || self.is_listed().await.is_err()
                        {
                            return;
                        }
                    }
                    LOOK_AGAIN
                }
                Err(error) => {
                    tracing::warn!(kind = %self.row.kind, %error, "asking the API server for its kinds");
                    backoff.next().unwrap_or(LOOK_AGAIN)
                }
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// Under which version the server serves the kind; `None` when it does not. A server that is starting has not read its CRDs yet
    /// and says so of all of them: it is believed only once it is ready, asked again.
    async fn discover(&self) -> Result<Option<ApiResource>, kube::Error> {
        if let Some(found) = self.discover_now().await? {
            return Ok(Some(found));
        }
        let ready = http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
        match self.shared.client.request_text(ready).await {
            // Everybody may ask that, unless somebody took the right away: then there is no telling.
            Err(kube::Error::Api(status)) if status.code == 403 => {}
            answer => drop(answer?),
        }
        self.discover_now().await
    }

    async fn discover_now(&self) -> Result<Option<ApiResource>, kube::Error> {
        let Row { kind, group, versions, plural, .. } = *self.row;
        if let ("" | "discovery.k8s.io", Some(version)) = (group, versions.first()) {
            // Part of every API server.
            let gvk = GroupVersionKind::gvk(group, version, kind.as_str());
            return Ok(Some(ApiResource::from_gvk_with_plural(&gvk, plural)));
        }
        served(&self.shared.client, self.row).await
    }

    /// Follows the kind as long as the server has it.
    async fn follow(&mut self, resource: &ApiResource) -> Result<(), Closed> {
        let mut streaming = true;
        loop {
            match self.stream(resource, streaming).await? {
                End::NoStreamingLists => streaming = false,
                End::Gone => return Ok(()),
            }
        }
    }

    fn open(
        &self,
        resource: &ApiResource,
        streaming: bool,
    ) -> BoxStream<'static, watcher::Result<watcher::Event<DynamicObject>>> {
        let mut config = watcher::Config::default();
        if streaming {
            config = config.streaming_lists();
        }
        let client = self.shared.client.clone();
        let context = &self.shared.context;
        let api: Api<DynamicObject> = match (self.row.kind, &context.mesh_config_name) {
            // One object: the others are nobody's business, and may be many and large.
            (Kind::MeshConfig, Some(name)) => {
                config = config.fields(&format!("metadata.name={name}"));
                Api::namespaced_with(client, &context.mesh_config.root_namespace, resource)
            }
            _ => Api::all_with(client, resource),
        };
        watcher(api, config).default_backoff().boxed()
    }

    async fn stream(&mut self, resource: &ApiResource, streaming: bool) -> Result<End, Closed> {
        let mut events = self.open(resource, streaming).into_stream().ready_chunks(BATCH);
        // The list that is coming in.
        let mut list: Vec<Object> = Vec::new();
        while let Some(chunk) = events.next().await {
            let mut edits = Vec::new();
            let mut done = false;
            let mut end = None;
            for event in chunk {
                match event {
                    Ok(watcher::Event::Init) => list.clear(),
                    Ok(watcher::Event::InitApply(object)) => list.extend(self.parse(object)),
                    Ok(watcher::Event::InitDone) => {
                        edits.push(self.relist(std::mem::take(&mut list)));
                        done = true;
                    }
                    Ok(watcher::Event::Apply(object)) => edits.extend(self.parse(object).map(Edit::Apply)),
                    Ok(watcher::Event::Delete(object)) => edits.push(Edit::Delete(self.name(&object))),
                    Err(error) => {
                        tracing::warn!(kind = %self.row.kind, %error, "watching");
                        end = End::of(&error, streaming).or(end);
                    }
                }
            }
            if !edits.is_empty() {
                self.edit(edits).await?;
            }
            if done {
                self.is_listed().await?;
            }
            if let Some(end) = end {
                return Ok(end);
            }
        }
        Ok(End::Gone)
    }

    fn name(&self, object: &DynamicObject) -> ObjectRef {
        let namespace =
            if self.row.namespaced { object.namespace().unwrap_or_default() } else { String::new() };
        ObjectRef::new(self.row.kind, namespace, object.name_any())
    }

    fn parse(&self, object: DynamicObject) -> Option<Object> {
        match parse_object(self.row, value_of(object), Source::Cluster, &self.shared.context) {
            Ok(object) => Some(object),
            Err(problem) => {
                tracing::warn!(kind = %self.row.kind, %problem, "an object without a name is passed over");
                None
            }
        }
    }

    fn relist(&self, objects: Vec<Object>) -> Edit {
        Edit::Relist { kind: self.row.kind, objects }
    }

    async fn edit(&self, edits: Vec<Edit>) -> Result<(), Closed> {
        self.shared.inputs.send(Input::Edits(edits)).await.map_err(|_| Closed)
    }

    /// Notes the first list; the last kind's completes the picture.
    async fn is_listed(&mut self) -> Result<(), Closed> {
        if std::mem::replace(&mut self.listed, true) {
            return Ok(());
        }
        match self.shared.missing.fetch_sub(1, Ordering::AcqRel) {
            1 => self.shared.inputs.send(Input::Synced).await.map_err(|_| Closed),
            _ => Ok(()),
        }
    }
}

/// Why a stream of events ended.
enum End {
    /// The server is too old to stream its lists.
    NoStreamingLists,
    /// The server no longer has the kind under this version. What is known of it stays until it is back: servers that
    /// start up say so of kinds that they do have.
    Gone,
}

impl End {
    fn of(error: &watcher::Error, streaming: bool) -> Option<Self> {
        let (watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))) = error
        else {
            return None;
        };
        match status.code {
            404 => Some(Self::Gone),
            400 | 422 if streaming => Some(Self::NoStreamingLists),
            _ => None,
        }
    }
}
