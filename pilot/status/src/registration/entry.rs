//! What WorkloadEntries of workloads that register themselves say. Pure.
//!
//! In: a workload, its WorkloadGroup or its entry as it is. Out: the entry, or the change of it.

use super::{By, Entry, Registering};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use mesh_model::{NamespacedName, Str};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The WorkloadGroup that an entry was made from.
pub(super) const GROUP: &str = "istio.io/autoRegistrationGroup";
/// The replica that its proxy is, or was last, connected to.
pub(super) const CONTROLLER: &str = "istio.io/workloadController";
/// The same, as long as it is one of ours: other control planes do not know this.
pub(super) const OURS: &str = "registration.meltemi.io/replica";
/// Since when.
pub(super) const CONNECTED: &str = "istio.io/connectedAt";
/// Since when it is gone.
pub(super) const DISCONNECTED: &str = "istio.io/disconnectedAt";
/// Its health counts.
const HEALTH_CHECKED: &str = "proxy.istio.io/health-checks-enabled";
/// The condition that says it.
const HEALTHY: &str = "Healthy";
/// As long as names of objects may be.
const NAME: usize = 253;

/// What an agent says of its workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Whether it is well, or what is wrong.
    pub well: Result<(), String>,
    /// When that was said.
    pub at: String,
}

/// This moment, as annotations say it.
pub fn now() -> String {
    Timestamp::now().to_string()
}

/// The name of the workload's entry. Of one that is made: `<group>-<address>[-<network>]`, of which the end counts if it is too long.
pub(super) fn name_of(workload: &Registering) -> String {
    let group = match &workload.by {
        By::Entry(name) => return name.to_string(),
        By::Group(group) => group,
    };
    let address = workload.address.to_string().replace(':', "-");
    let name = match workload.network.is_empty() {
        true => format!("{group}-{address}"),
        false => format!("{group}-{address}-{}", workload.network),
    };
    // All parts but labels of Kubernetes' own are ASCII.
    let from = name.len().saturating_sub(NAME);
    name.get(from..).unwrap_or(&name).to_owned()
}

/// The entry of a workload of this group.
pub(super) fn from_group(
    workload: &Registering,
    name: &NamespacedName,
    group: &Entry,
    identity: &str,
    since: &str,
) -> Entry {
    let spec = group.data.get("spec");
    let part = |pointer: &str| spec.and_then(|spec| spec.pointer(pointer)).and_then(Value::as_object);
    let mut template = part("/template").cloned().unwrap_or_default();
    let mut labels = template.get("labels").and_then(Value::as_object).cloned().unwrap_or_default();
    labels.extend(part("/metadata/labels").cloned().unwrap_or_default());
    labels.extend(workload.labels.iter().map(|(key, value)| (key.to_string(), json!(&**value))));
    template.insert("address".into(), workload.address.to_string().into());
    template.insert("labels".into(), labels.clone().into());
    if !workload.network.is_empty() {
        template.insert("network".into(), json!(&*workload.network));
    }
    if !workload.locality.is_empty() {
        template.insert("locality".into(), workload.locality.as_str().into());
    }
    let mut annotations = Map::from_iter([(GROUP.to_owned(), group.name_any().into())]);
    annotations.extend(part("/metadata/annotations").cloned().unwrap_or_default());
    if workload.health_checked {
        annotations.insert(HEALTH_CHECKED.into(), "true".into());
    }
    annotations.insert(CONTROLLER.into(), identity.into());
    annotations.insert(OURS.into(), identity.into());
    annotations.insert(CONNECTED.into(), since.into());
    let strings = |map: Map<String, Value>| {
        map.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
    };
    let types = group.types.clone().unwrap_or_default();
    let owner = k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference {
        api_version: types.api_version,
        kind: types.kind,
        name: group.name_any(),
        uid: group.uid().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: None,
    };
    let mut entry = Entry { types: None, metadata: Default::default(), data: json!({ "spec": template }) };
    entry.metadata.name = Some(name.name.to_string());
    entry.metadata.namespace = Some(name.namespace.to_string());
    entry.metadata.labels = Some(strings(labels));
    entry.metadata.annotations = Some(strings(annotations));
    entry.metadata.owner_references = Some(vec![owner]);
    entry
}

/// The service account that the workload's caller has proven to be.
pub(super) fn proven(workload: &Registering) -> Result<&Str, String> {
    workload.service_account.as_ref().ok_or_else(|| {
        "who registers has to prove who it is: by a certificate or a token, on the port with TLS".into()
    })
}

/// Whether the workload's caller may be this entry, as in Istio: it has to prove its namespace, and the service account if the entry has one.
pub(super) fn may_control(workload: &Registering, entry: &Entry) -> Result<(), String> {
    let proven = proven(workload)?;
    let wanted = entry.data.pointer("/spec/serviceAccount").and_then(Value::as_str).unwrap_or_default();
    match wanted.is_empty() || *wanted == **proven {
        true => Ok(()),
        false => Err(format!(
            "WorkloadEntry {} is of service account {wanted:?}, and the caller is {proven:?}",
            entry.name_any()
        )),
    }
}

fn said<'a>(entry: &'a Entry, annotation: &str) -> Option<&'a str> {
    entry.annotations().get(annotation).map(String::as_str)
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

/// Whether a later stream than that `since` then has registered already.
pub(super) fn is_newer(entry: &Entry, since: &str) -> bool {
    time(said(entry, CONNECTED)).zip(time(Some(since))).is_some_and(|(connected, since)| connected > since)
}

/// It is connected to this replica.
pub(super) fn connected(identity: &str, since: &str) -> Value {
    let annotations = json!({ CONTROLLER: identity, OURS: identity, CONNECTED: since, DISCONNECTED: null });
    json!({ "metadata": { "annotations": annotations } })
}

/// It is no longer; `None` when it has come back since, here or elsewhere.
pub(super) fn disconnected(entry: &Entry, identity: &str, since: &str) -> Option<Value> {
    if said(entry, CONTROLLER) != Some(identity) || is_newer(entry, since) {
        return None;
    }
    let annotations = json!({ CONNECTED: null, DISCONNECTED: now() });
    Some(json!({ "metadata": { "annotations": annotations, "resourceVersion": entry.resource_version() } }))
}

/// Whether it has been gone for so long.
pub(super) fn is_over(entry: &Entry, grace: Duration) -> bool {
    let Some(gone) = time(said(entry, DISCONNECTED)).filter(|_| said(entry, CONNECTED).is_none()) else {
        return false;
    };
    let elapsed = Timestamp::now().duration_since(gone);
    Duration::try_from(elapsed).is_ok_and(|elapsed| elapsed >= grace)
}

/// The status with this health; `None` when another replica is to say it, or nobody asked for it.
pub(super) fn with_health(entry: &Entry, identity: &str, health: &Health) -> Option<Value> {
    if said(entry, CONTROLLER) != Some(identity) || said(entry, HEALTH_CHECKED).is_none() {
        return None;
    }
    let Health { well, at } = health;
    let mut condition = json!({
        "type": HEALTHY,
        "status": if well.is_ok() { "True" } else { "False" },
        "lastProbeTime": at,
        "lastTransitionTime": at,
    });
    if let Err(message) = well {
        condition["message"] = message.as_str().into();
    }
    let mut conditions = others(entry);
    conditions.push(condition);
    Some(status(entry, conditions))
}

/// The status without a health, of which nobody knows any more; `None` when it says none.
pub(super) fn without_health(entry: &Entry) -> Option<Value> {
    let all = entry.data.pointer("/status/conditions").and_then(Value::as_array)?;
    let others = others(entry);
    (others.len() < all.len()).then(|| status(entry, others))
}

fn others(entry: &Entry) -> Vec<Value> {
    let all = entry.data.pointer("/status/conditions").and_then(Value::as_array);
    all.into_iter().flatten().filter(|condition| condition["type"] != HEALTHY).cloned().collect()
}

/// Lists are written as a whole, and only if they are as they were read.
fn status(entry: &Entry, conditions: Vec<Value>) -> Value {
    json!({
        "metadata": { "resourceVersion": entry.resource_version() },
        "status": { "conditions": conditions },
    })
}

#[cfg(test)]
mod tests;
