//! WorkloadEntries and WorkloadGroups at the API server.
//!
//! In: names and changes. Out: what is there, and whether a change was made: what somebody else has changed meanwhile is read again.

use super::{Entry, RegisterError, object};
use kube::{
    Api, Client,
    api::{ApiResource, DeleteParams, ListParams, ObjectList, Patch, PatchParams, PostParams, Preconditions},
};
use mesh_model::{Kind, NamespacedName};
use pilot_ingest::{kinds::row, served};
use serde_json::Value;
use tokio::sync::OnceCell;

/// Under which name the API server knows what is written here.
const FIELD_MANAGER: &str = "meltemi-registration";

pub(super) struct Store {
    client: Client,
    entries: OnceCell<ApiResource>,
    groups: OnceCell<ApiResource>,
}

impl Store {
    pub(super) fn new(client: Client) -> Self {
        Self { client, entries: OnceCell::new(), groups: OnceCell::new() }
    }

    async fn resource<'a>(
        &self,
        cell: &'a OnceCell<ApiResource>,
        kind: Kind,
    ) -> Result<&'a ApiResource, RegisterError> {
        cell.get_or_try_init(async || {
            let row = row(kind).ok_or(RegisterError::NotServed)?;
            let found = served(&self.client, row).await;
            let name = NamespacedName::new("", "");
            found.map_err(failed("asking for", kind, &name))?.ok_or(RegisterError::NotServed)
        })
        .await
    }

    pub(super) async fn entries(&self, namespace: &str) -> Result<Api<Entry>, RegisterError> {
        let resource = self.resource(&self.entries, Kind::WorkloadEntry).await?;
        Ok(Api::namespaced_with(self.client.clone(), namespace, resource))
    }

    /// A page of those of all namespaces.
    pub(super) async fn list(&self, params: &ListParams) -> Result<ObjectList<Entry>, RegisterError> {
        let resource = self.resource(&self.entries, Kind::WorkloadEntry).await?;
        let all: Api<Entry> = Api::all_with(self.client.clone(), resource);
        let name = NamespacedName::new("", "");
        all.list(params).await.map_err(failed("listing", Kind::WorkloadEntry, &name))
    }

    pub(super) async fn entry(&self, name: &NamespacedName) -> Result<Option<Entry>, RegisterError> {
        let found = self.entries(&name.namespace).await?.get_opt(&name.name).await;
        found.map_err(failed("reading", Kind::WorkloadEntry, name))
    }

    pub(super) async fn group(&self, name: &NamespacedName) -> Result<Option<Entry>, RegisterError> {
        let resource = self.resource(&self.groups, Kind::WorkloadGroup).await?;
        let api: Api<Entry> = Api::namespaced_with(self.client.clone(), &name.namespace, resource);
        let found = api.get_opt(&name.name).await.map_err(failed("reading", Kind::WorkloadGroup, name))?;
        Ok(found.map(|mut group| {
            // What it is made an owner by.
            group.types.get_or_insert_with(|| types(resource));
            group
        }))
    }

    /// Makes it; `false`: there is one already.
    pub(super) async fn create(&self, name: &NamespacedName, entry: &Entry) -> Result<bool, RegisterError> {
        let resource = self.resource(&self.entries, Kind::WorkloadEntry).await?;
        let entry = Entry { types: Some(types(resource)), ..entry.clone() };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.into()), ..PostParams::default() };
        let made = self.entries(&name.namespace).await?.create(&params, &entry).await;
        unless_changed(made).map_err(failed("making", Kind::WorkloadEntry, name))
    }

    /// Changes it; `false`: it is not what it was, or not there any more.
    pub(super) async fn change(&self, name: &NamespacedName, change: &Value) -> Result<bool, RegisterError> {
        let entries = self.entries(&name.namespace).await?;
        let changed = entries.patch(&name.name, &as_us(), &Patch::Merge(change)).await;
        unless_changed(changed).map_err(failed("changing", Kind::WorkloadEntry, name))
    }

    /// Likewise its status.
    pub(super) async fn change_status(
        &self,
        name: &NamespacedName,
        change: &Value,
    ) -> Result<bool, RegisterError> {
        let entries = self.entries(&name.namespace).await?;
        let changed = entries.patch_status(&name.name, &as_us(), &Patch::Merge(change)).await;
        unless_changed(changed).map_err(failed("writing the status of", Kind::WorkloadEntry, name))
    }

    /// Deletes it, if it is still as it was read.
    pub(super) async fn delete(&self, name: &NamespacedName, entry: &Entry) -> Result<(), RegisterError> {
        let preconditions = Preconditions {
            resource_version: entry.metadata.resource_version.clone(),
            uid: entry.metadata.uid.clone(),
        };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        let deleted = self.entries(&name.namespace).await?.delete(&name.name, &params).await;
        if unless_changed(deleted).map_err(failed("deleting", Kind::WorkloadEntry, name))? {
            tracing::info!(entry = %name, "the entry of a workload that has gone is deleted");
        }
        Ok(())
    }
}

fn types(resource: &ApiResource) -> kube::core::TypeMeta {
    kube::core::TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() }
}

fn as_us() -> PatchParams {
    PatchParams { field_manager: Some(FIELD_MANAGER.into()), ..PatchParams::default() }
}

/// `false` when somebody was first.
fn unless_changed<T>(outcome: Result<T, kube::Error>) -> Result<bool, kube::Error> {
    match outcome {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => Err(error),
    }
}

fn failed<'a>(
    what: &'static str,
    kind: Kind,
    name: &'a NamespacedName,
) -> impl FnOnce(kube::Error) -> RegisterError + use<'a> {
    move |error| RegisterError::Write { what, object: object(kind, name), error: Box::new(error) }
}
