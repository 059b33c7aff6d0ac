//! Writes conditions: server-side apply on the status subresource, of our condition types and nothing else.
//!
//! In: what an object carries and what it is to say. Out: what it carries afterwards, and what of it is left to others. Where a CRD merges
//! conditions by type (Meltemi's own do), never by force: one of ours that somebody else has taken over stays theirs, and the others are
//! written beside it. Istio's CRDs have conditions as one value with one owner; there it takes force to write after anybody else has. What is
//! forced is the whole list as it was read, with ours in it, and only onto that very version: no condition of another type is lost. Of our own
//! three nobody can say there whose they are: ours are written, and who undoes that again and again is left alone for ever longer.

mod beside;

use crate::{
    condition::{Condition, ConditionType},
    leader::FIELD_MANAGER,
    objects::{Held, Objects, Served},
};
use k8s_openapi::jiff::{Timestamp, Unit};
use kube::{
    Api, Client,
    api::{DynamicObject, Patch, PatchParams},
};
use mesh_model::ObjectRef;
use serde_json::{Value, json};

/// A write that is due.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    /// On which object.
    pub(crate) object: ObjectRef,
    /// What it carries.
    pub(crate) held: Held,
    /// What it is to say.
    pub(crate) conditions: [Condition; 3],
}

/// What a write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// What was to be said.
    pub(crate) conditions: [Condition; 3],
    /// The types of them that are somebody else's, with what stands there instead, if that can be read.
    pub(crate) left: Vec<(ConditionType, Option<Condition>)>,
}

/// Makes the write. Says what has been said; nothing if it failed.
pub(crate) async fn write(client: &Client, objects: &Objects, due: Write) -> Option<Said> {
    let object = due.object.clone();
    let served = objects.lock().served.get(&object.kind).cloned()?;
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &object.name.namespace, &served.resource);
    let mut said = Said { conditions: due.conditions.clone(), left: Vec::new() };
    let mut params = PatchParams::apply(FIELD_MANAGER);
    // Without a version nothing would see to it that what others wrote meanwhile stays.
    params.force = !served.merges && due.held.version.is_some();
    let body = body(&served, due, &now());
    let applied = match api.patch_status(&object.name.name, &params, &Patch::Apply(&body)).await {
        Err(kube::Error::Api(status)) if served.merges && beside::is_taken(&status) => {
            beside::write(&api, &params, body).await
        }
        applied => applied.map(|written| Some((written, Vec::new()))),
    };
    match applied {
        Ok(Some((written, left))) => {
            let held = Held::of(&written);
            if !left.is_empty() {
                tracing::info!(%object, conditions = ?left, "another writer has taken these over: theirs stay");
            }
            said.left = left.into_iter().map(|r#type| (r#type, held.find(r#type).cloned())).collect();
            objects.wrote(&object, held);
            Some(said)
        }
        // It is gone, or another of its name is there: the watch will tell.
        Ok(None) => Some(said),
        Err(kube::Error::Api(status)) if status.code == 404 => Some(said),
        Err(kube::Error::Api(status)) if status.code == 409 => {
            tracing::info!(%object, message = status.message, "another writer was first: left alone for now");
            None
        }
        Err(error) => {
            tracing::warn!(%object, %error, "writing its status");
            None
        }
    }
}

fn now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}

/// What is applied. Times of conditions that stay as they were are kept.
fn body(served: &Served, due: Write, now: &str) -> Value {
    let Served { resource, merges } = served;
    let Write { object, held, conditions } = due;
    let ours = conditions.map(|mut condition| {
        let before = held.conditions.iter().find(|before| before.r#type == condition.r#type);
        let same = before.filter(|before| before.status == condition.status);
        let since = same.and_then(|before| before.last_transition_time.clone());
        condition.last_transition_time = Some(since.unwrap_or_else(|| now.to_owned()));
        json!(condition)
    });
    let mut metadata = json!({ "name": object.name.name, "namespace": object.name.namespace });
    if let Some(uid) = &held.uid {
        // An object of the same name that was made meanwhile is not meant.
        metadata["uid"] = uid.as_str().into();
    }
    let mut conditions = Vec::new();
    if !merges {
        // The list is written as a whole: with what others wrote, and only if that is still all of it.
        conditions.extend(held.others);
        if let Some(version) = held.version {
            metadata["resourceVersion"] = version.into();
        }
    }
    conditions.extend(ours);
    json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "status": { "conditions": conditions },
    })
}

#[cfg(test)]
mod tests;
