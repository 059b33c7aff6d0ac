//! Pod: only what a proxy's peers and the proxy itself need of it.

use super::{Model, deployment::parse_template_spec};
use crate::{
    at::At,
    decode::decode,
    kinds::deployment::{Deployment, PodSpec},
    meta::Meta,
};
use mesh_model::{Labels, Locality, Metadata, NETWORK_LABEL, Str};
use serde::Deserialize;
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};

/// A pod that runs, or will.
#[derive(Debug, Clone, PartialEq)]
pub struct Pod {
    /// The object.
    pub metadata: Metadata,
    /// Its addresses, the primary one first. A pod on its node's network shares that one's.
    pub addresses: Vec<IpAddr>,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its service account.
    pub service_account: Str,
    /// Its node.
    pub node: Str,
    /// Named container ports.
    pub named_ports: Vec<(Str, u16)>,
    /// Ready to serve.
    pub ready: bool,
    /// Its locality when a label sets it, otherwise it is the node's.
    pub locality: Option<Locality>,
    /// Its network.
    pub network: Str,
    /// Accepts Istio mutual TLS.
    pub mtls: bool,
}

/// Labels that override the node's locality, with `.` for `/`, which labels of Kubernetes cannot have. The first that is there counts.
const LOCALITY_LABELS: [&str; 2] = ["topology.istio.io/locality", "istio-locality"];
/// Label of workloads that are about to go, whatever its value is but empty.
pub const DRAINING_LABEL: &str = "istio.io/draining";
/// Label of workloads whose proxy accepts mutual TLS.
pub const TLS_MODE_LABEL: &str = "security.istio.io/tlsMode";

/// Labels that say something about a workload besides selecting it.
pub fn parse_locality_label(labels: &Labels) -> Option<Locality> {
    let text = LOCALITY_LABELS.iter().find_map(|name| labels.get(*name)).filter(|text| !text.is_empty())?;
    // Endpoints that people list may have labels with `/`, and then a `.` belongs to a name.
    Some(if text.contains('/') { Locality::parse(text) } else { Locality::parse(&text.replace('.', "/")) })
}

/// Whether the labels say that mutual TLS is accepted.
pub fn accepts_mtls(labels: &Labels) -> bool {
    labels.get(TLS_MODE_LABEL).is_some_and(|mode| &**mode == "istio")
}

/// The same of an endpoint that people list: one that says as whom it serves has a certificate for that, unless its label says otherwise.
pub fn endpoint_accepts_mtls(labels: &Labels, service_account: &str) -> bool {
    if labels.contains_key(TLS_MODE_LABEL) { accepts_mtls(labels) } else { !service_account.is_empty() }
}

/// The same of a replica that is run here: nobody injects sidecars, each has one, unless its label says otherwise.
pub fn has_sidecar(labels: &Labels) -> bool {
    !labels.contains_key(TLS_MODE_LABEL) || accepts_mtls(labels)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiPod {
    spec: Option<PodSpec>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    phase: Option<String>,
    #[serde(rename = "podIP")]
    pod_ip: Option<String>,
    #[serde(rename = "podIPs")]
    pod_ips: Option<Vec<PodIp>>,
    conditions: Option<Vec<Condition>>,
}

#[derive(Debug, Deserialize)]
struct PodIp {
    #[serde(default)]
    ip: String,
}

#[derive(Debug, Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

/// Reads one object. A pod that has ended, or has no address yet, is no workload; one from a file that has none is run here.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let ApiPod { spec, status } = decode(value, at)?;
    let Status { phase, pod_ip, pod_ips, conditions } = status.unwrap_or_default();
    if matches!(phase.as_deref(), Some("Succeeded" | "Failed")) {
        return None;
    }
    let spec = spec.unwrap_or_default();
    let node = spec.node_name.clone().unwrap_or_default();
    let from_file = meta.is_from_file();
    let template = parse_template_spec(spec, meta.labels.clone(), &at.field("spec"));
    let mut addresses: Vec<IpAddr> = Vec::new();
    let texts = pod_ip.into_iter().chain(pod_ips.unwrap_or_default().into_iter().map(|ip| ip.ip));
    for address in texts.filter_map(|text| text.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() && from_file {
        let deployment = Deployment { metadata: meta.metadata, replicas: None, template };
        return Some(Model::Deployment(Arc::new(deployment)));
    }
    let says_ready = conditions.as_ref().and_then(|conditions| {
        let ready = conditions.iter().find(|condition| condition.kind == "Ready");
        ready.map(|condition| condition.status == "True")
    });
    Some(Model::Pod(Arc::new(Pod {
        metadata: meta.metadata,
        addresses,
        service_account: template.service_account,
        node: node.into(),
        named_ports: template.named_ports,
        ready: says_ready.unwrap_or(from_file),
        locality: parse_locality_label(&meta.labels),
        network: meta.labels.get(NETWORK_LABEL).cloned().unwrap_or_default(),
        mtls: accepts_mtls(&meta.labels),
        labels: meta.labels,
    })))
}
