//! Writes conditions: server-side apply on the status subresource, of our condition types and nothing else.
//!
//! In: what an object carries and what it is to say. Out: what it carries afterwards. Never by force: where somebody else has taken one of
//! our conditions over, theirs stays. A CRD that does not merge conditions (Istio's own) has them written as a whole list, others' included.

use crate::{
    condition::Condition,
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

/// Makes the write. Says whether it worked.
pub(crate) async fn write(client: &Client, objects: &Objects, due: Write) -> bool {
    let object = due.object.clone();
    let Some(served) = objects.lock().served.get(&object.kind).cloned() else { return false };
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &object.name.namespace, &served.resource);
    let body = body(&served, due, &now());
    let mut params = PatchParams::apply(FIELD_MANAGER);
    // A list that is written as a whole has one owner; that nothing of others is lost the resource version sees to.
    params.force = !served.merges;
    let written = api.patch_status(&object.name.name, &params, &Patch::Apply(&body)).await;
    match written {
        Ok(written) => {
            objects.wrote(&object, Held::of(&written));
            true
        }
        // It is gone, or another of its name is there: the watch will tell.
        Err(kube::Error::Api(status)) if status.code == 404 => true,
        Err(kube::Error::Api(status)) if status.code == 409 => {
            tracing::info!(%object, message = status.message, "another writer was first: left alone for now");
            false
        }
        Err(error) => {
            tracing::warn!(%object, %error, "writing its status");
            false
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
        metadata["resourceVersion"] = held.version.unwrap_or_default().into();
    }
    conditions.extend(ours);
    json!({
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": metadata,
        "status": { "conditions": conditions },
    })
}
