//! Writes beside somebody else who has taken over one of our conditions.
//!
//! In: what was to be applied, and was refused because fields in it are another's. Out: the same without the conditions that are another's.
//! Nothing changes in those: fields that only we own keep the value that they have, because a field that its last owner gives up vanishes from
//! what the other has written. All the others are the other's alone from then on.

use crate::{condition::ConditionType, leader::FIELD_MANAGER};
use kube::{
    Api,
    api::{DynamicObject, ListParams, Patch, PatchParams},
    core::Status,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Whether the server refuses because fields are another's, and not because the object is another than the one that was read.
pub(super) fn is_taken(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 409 && causes.into_iter().any(|cause| cause.reason == "FieldManagerConflict")
}

/// Applies what is ours of `body`. Gives the object, and the types of the conditions that are another's; nothing if it is gone.
pub(super) async fn write(
    api: &Api<DynamicObject>,
    params: &PatchParams,
    mut body: Value,
) -> Result<Option<(DynamicObject, Vec<ConditionType>)>, kube::Error> {
    let name = body["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    // Of the kinds themselves, the control plane has the right to list alone.
    let only = ListParams::default().fields(&format!("metadata.name={name}"));
    let Some(object) = api.list(&only).await?.items.pop() else { return Ok(None) };
    let mut left = Vec::new();
    if let Some(conditions) = body["status"]["conditions"].as_array_mut() {
        *conditions = std::mem::take(conditions)
            .into_iter()
            .filter_map(|ours| yielding(ours, &object, &mut left))
            .collect();
    }
    // Whose they are is as it was read, or it is looked at again.
    body["metadata"]["resourceVersion"] = object.metadata.resource_version.into();
    let written = api.patch_status(&name, params, &Patch::Apply(&body)).await?;
    Ok(Some((written, left)))
}

/// What is applied of a condition: all of it, or, when another has taken it over, what must not vanish.
fn yielding(ours: Value, object: &DynamicObject, left: &mut Vec<ConditionType>) -> Option<Value> {
    let name = ours["type"].as_str()?;
    let present = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let present = present.into_iter().flatten().find(|condition| condition["type"] == name);
    let (mine, theirs) = (owned(object, name, true), owned(object, name, false));
    let is_present =
        |field: &String, value: &Value| present.and_then(|present| present.get(field)) == Some(value);
    let differs = |field: &String| ours.get(field).is_some_and(|value| !is_present(field, value));
    if !theirs.iter().any(differs) {
        return Some(ours);
    }
    left.extend(serde_json::from_value::<ConditionType>(ours["type"].clone()).ok());
    let kept =
        present?.as_object()?.iter().filter(|(field, _)| mine.contains(*field) && !theirs.contains(*field));
    let mut kept: Map<String, Value> = kept.map(|(field, value)| (field.clone(), value.clone())).collect();
    kept.remove("type");
    (!kept.is_empty()).then(|| {
        kept.insert("type".to_owned(), name.into());
        Value::Object(kept)
    })
}

/// The fields of the condition `name` that are ours, or somebody else's.
fn owned(object: &DynamicObject, name: &str, ours: bool) -> BTreeSet<String> {
    let entries = object.metadata.managed_fields.iter().flatten().filter(|entry| {
        let applies = entry.operation.as_deref() == Some("Apply");
        ours == (applies && entry.manager.as_deref() == Some(FIELD_MANAGER))
    });
    let key = format!("k:{{\"type\":\"{name}\"}}");
    let fields = entries.filter_map(|entry| {
        let fields = &entry.fields_v1.as_ref()?.0;
        fields.get("f:status")?.get("f:conditions")?.get(&key)?.as_object()
    });
    fields.flat_map(Map::keys).filter_map(|field| field.strip_prefix("f:")).map(str::to_owned).collect()
}
