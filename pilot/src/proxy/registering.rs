//! Proxies of workloads that register themselves.
//!
//! In: the node message of a proxy, and who it has proven to be. Out: what its workload registers by and as, if it does.

use super::{Connected, field, text};
use pilot_status::{By, RegisterError, Registered, Registering};
use pilot_xds::{
    source::{Health, Proven, Refusal},
    wire::Node,
};
use prost_types::value::Kind as ValueKind;

/// What the workload beside a proxy registers as; `None`: it does not.
pub fn registering(node: &Node, connected: &Connected, proven: Option<&Proven>) -> Option<Registering> {
    let metadata = node.metadata.as_ref();
    let by = match text(metadata, "AUTO_REGISTER_GROUP") {
        Some(group) => By::Group(group.into()),
        None => By::Entry(text(metadata, "WORKLOAD_ENTRY")?.into()),
    };
    let Connected { claimed, names_by_host: _, ignored: _ } = connected;
    let locality = node.locality.as_ref().map(|at| [&at.region, &at.zone, &at.sub_zone]);
    let said = locality.iter().flatten().take_while(|part| !part.is_empty());
    let locality = said.map(|part| part.as_str()).collect::<Vec<_>>().join("/");
    let config = field(metadata, "PROXY_CONFIG").and_then(|config| config.kind.as_ref());
    let health_checked = match config {
        Some(ValueKind::StructValue(config)) => config.fields.contains_key("readinessProbe"),
        _ => false,
    };
    Some(Registering {
        namespace: claimed.namespace.clone(),
        by,
        address: *claimed.addresses.first()?,
        network: claimed.network.clone(),
        locality,
        labels: (*claimed.labels).clone(),
        health_checked,
        service_account: proven.map(|proven| proven.service_account.clone()),
    })
}

/// What a proxy is told whose workload is not registered.
pub fn refusal(error: RegisterError) -> Refusal {
    match error {
        RegisterError::Denied(why) => Refusal::Denied(why),
        // It is to come again: somebody may make what is missing.
        error => Refusal::Unavailable(format!("its workload cannot be registered: {error}")),
    }
}

/// Hands on what an agent says.
pub struct Hearing(pub Registered);

impl Health for Hearing {
    fn hear(&self, well: Result<(), String>) {
        self.0.hear(well);
    }
}
