//! Deployment, read from files only: where there is no cluster, its replicas are workloads on this machine.

use super::{Model, probe::parse_probe};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_port, shared_labels},
};
use mesh_model::{Labels, LocalPort, Metadata, Probe, Protocol, Reason, Str};
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, sync::Arc};

/// Workloads to run, all alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The object: a Deployment, or a lone Pod.
    pub metadata: Metadata,
    /// How many, named `<name>-<index>`; `None`: a lone pod of the object's own name.
    pub replicas: Option<u32>,
    /// What each is.
    pub template: Template,
}

/// What each replica is.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    /// Labels.
    pub labels: Arc<Labels>,
    /// Service account.
    pub service_account: Str,
    /// Named container ports.
    pub named_ports: Vec<(Str, u16)>,
    /// All container ports, and what their names say is spoken there.
    pub ports: Vec<LocalPort>,
    /// Readiness probes of all containers.
    pub probes: Vec<Probe>,
}

/// More would not fit on one machine, and is most likely a slip.
const MAX_REPLICAS: i64 = 200;

#[derive(Debug, Deserialize)]
struct Spec {
    replicas: Option<i64>,
    template: PodTemplate,
}

#[derive(Debug, Default, Deserialize)]
struct PodTemplate {
    metadata: Option<TemplateMetadata>,
    spec: Option<PodSpec>,
}

#[derive(Debug, Default, Deserialize)]
struct TemplateMetadata {
    labels: Option<BTreeMap<String, String>>,
}

/// The part of a pod's spec that means something to the mesh.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Its service account.
    pub service_account_name: Option<String>,
    /// Its node.
    pub node_name: Option<String>,
    /// Its containers.
    #[serde(default)]
    pub containers: Vec<Container>,
}

/// A container.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its ports.
    #[serde(default)]
    pub ports: Option<Vec<ContainerPort>>,
    /// What says that it is ready.
    readiness_probe: Option<Value>,
}

/// A container's port.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// Its name.
    pub name: Option<String>,
    /// Its number.
    pub container_port: i64,
    /// `TCP` if nothing is said.
    pub protocol: Option<String>,
}

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let Spec { replicas, template } = decode_spec(value, at)?;
    let at = at.field("spec");
    let replicas = replicas.unwrap_or(1);
    let allowed = replicas.clamp(0, MAX_REPLICAS);
    if replicas != allowed {
        at.field("replicas").error_hint(
            Reason::InvalidValue,
            format!("{replicas} replicas cannot run on one machine; {allowed} are run"),
            format!("write a number from 0 to {MAX_REPLICAS}"),
        );
    }
    let PodTemplate { metadata, spec } = template;
    let labels = metadata.unwrap_or_default().labels.unwrap_or_default();
    let at = at.field("template");
    let template = parse_template_spec(spec.unwrap_or_default(), shared_labels(&labels), &at.field("spec"));
    Some(Model::Deployment(Arc::new(Deployment {
        metadata: meta.metadata,
        // At most MAX_REPLICAS.
        replicas: Some(allowed as u32),
        template,
    })))
}

/// Reads what a pod is, whether by a template or by itself.
pub fn parse_template_spec(spec: PodSpec, labels: Arc<Labels>, at: &At<'_>) -> Template {
    let PodSpec { service_account_name, node_name: _, containers } = spec;
    let at = at.field("containers");
    let (mut named_ports, mut all_ports, mut written_probes) = (Vec::new(), Vec::new(), Vec::new());
    for (index, Container { ports, readiness_probe }) in containers.into_iter().enumerate() {
        written_probes.extend(readiness_probe.map(|probe| (index, probe)));
        let at = at.index(index);
        let at = at.field("ports");
        for (index, ContainerPort { name, container_port, protocol }) in
            ports.unwrap_or_default().into_iter().enumerate()
        {
            let Some(number) = parse_port(container_port, &at.index(index).field("containerPort")) else {
                continue;
            };
            let transport = protocol.as_deref().unwrap_or("TCP");
            let spoken = Protocol::select(None, name.as_deref().unwrap_or_default(), number, transport);
            all_ports.push(LocalPort { number, protocol: spoken });
            if let Some(name) = name {
                named_ports.push((Str::from(name), number));
            }
        }
    }
    let parse = |(index, probe)| parse_probe(probe, &named_ports, &at.index(index).field("readinessProbe"));
    let probes = written_probes.into_iter().filter_map(parse).collect();
    let service_account = service_account_name.filter(|name| !name.is_empty());
    Template {
        labels,
        service_account: service_account.unwrap_or_else(|| "default".to_owned()).into(),
        named_ports,
        ports: all_ports,
        probes,
    }
}
