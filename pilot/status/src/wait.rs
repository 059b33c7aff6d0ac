//! Waits for a condition of an object on an API server, as `kubectl wait` does.

use crate::condition::{Condition, ConditionType};
use futures::TryStreamExt;
use kube::{
    Api, Client,
    api::DynamicObject,
    runtime::{WatchStreamExt, watcher},
};
use mesh_model::ObjectRef;
use pilot_ingest::{has_status, kinds::row, served};
use serde_json::Value;
use std::time::Duration;

/// Why a wait ended without the condition.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The kind has no status of ours.
    #[error("{0} has no conditions of Meltemi's")]
    Kind(ObjectRef),
    /// The server does not have the kind.
    #[error("the API server has no {0}: is the CRD installed?")]
    NotServed(mesh_model::Kind),
    /// Time is up.
    #[error("{object} is not {condition:?} after {within:?}: {said}")]
    Timeout {
        /// What was waited for.
        object: ObjectRef,
        /// And for what of it.
        condition: ConditionType,
        /// How long.
        within: Duration,
        /// What it says instead.
        said: String,
    },
    /// The API server could not be asked.
    #[error(transparent)]
    Server(#[from] kube::Error),
}

/// Waits until the newest generation of `object` meets `condition`, and gives what it then says.
pub async fn wait_for(
    client: &Client,
    object: &ObjectRef,
    condition: ConditionType,
    within: Duration,
) -> Result<Condition, WaitError> {
    let row =
        row(object.kind).filter(|row| has_status(row.kind)).ok_or_else(|| WaitError::Kind(object.clone()))?;
    let resource = served(client, row).await?.ok_or(WaitError::NotServed(object.kind))?;
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &object.name.namespace, &resource);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", object.name.name));
    let mut said = "there is no such object".to_owned();
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    let met = async {
        loop {
            match events.try_next().await {
                Ok(Some(watcher::Event::Apply(found) | watcher::Event::InitApply(found))) => {
                    match state(&found, condition) {
                        Ok(met) => return met,
                        Err(instead) => said = instead,
                    }
                }
                Ok(Some(watcher::Event::Delete(_))) => said = "it has been deleted".into(),
                Ok(_) => {}
                // The watcher tries again by itself.
                Err(error) => said = error.to_string(),
            }
        }
    };
    tokio::time::timeout(within, met).await.map_err(|_| WaitError::Timeout {
        object: object.clone(),
        condition,
        within,
        said,
    })
}

/// The condition if it is met for the newest generation, else what there is to say.
fn state(object: &DynamicObject, wanted: ConditionType) -> Result<Condition, String> {
    let generation = object.metadata.generation.unwrap_or(0);
    let all = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let found = all
        .into_iter()
        .flatten()
        .filter_map(|value| serde_json::from_value::<Condition>(value.clone()).ok())
        .find(|condition| condition.r#type == wanted);
    match found {
        None => Err("nobody has reported on it yet".into()),
        Some(condition) if condition.observed_generation != generation => {
            Err(format!("generation {generation} has not been reported on yet"))
        }
        Some(condition) if !condition.holds() => Err(format!("{}: {}", condition.reason, condition.message)),
        Some(condition) => Ok(condition),
    }
}
