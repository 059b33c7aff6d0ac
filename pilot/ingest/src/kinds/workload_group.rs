//! WorkloadGroup: what workloads outside Kubernetes that register themselves are like. Read here to be checked; the entry of a workload is made
//! when it registers.

use super::{
    Model,
    service_entry::{EndpointTemplate, parse_template},
};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{check_labels, parse_labels},
};
use mesh_api::{WorkloadGroupSpec, networking::workload_group::ReadinessProbe};
use mesh_model::{Metadata, Problem, Reason, Severity};
use serde_json::Value;
use std::sync::Arc;

/// A template for WorkloadEntries.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkloadGroup {
    /// The object.
    pub metadata: Metadata,
    /// What a workload that registers is, but for its address. Labels of `metadata` and of the template are one, the template's first.
    pub template: EndpointTemplate,
}

/// Workloads whose agents have nothing to ask are never healthy.
fn check_probe(probe: &ReadinessProbe, at: &At<'_>) {
    let ReadinessProbe { http_get, tcp_socket, exec, grpc, .. } = probe;
    match exec {
        Some(exec) if exec.command.is_empty() => at.field("exec").field("command").warning_hint(
            Reason::Required,
            "there is no command to run; Istio refuses this",
            "write it, as in `command: [/bin/check, --ready]`",
        ),
        None if http_get.is_none() && tcp_socket.is_none() && grpc.is_none() => at.warning_hint(
            Reason::Required,
            "the probe asks nothing; Istio refuses this",
            "write one of httpGet, tcpSocket, exec and grpc, or leave `probe` out",
        ),
        Some(_) | None => {}
    }
}

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    // The probe is its agents': `istioctl x workload entry configure` hands it on to them.
    let WorkloadGroupSpec { metadata, template, probe } = decode_spec(value, at)?;
    let at = at.field("spec");
    if !at.context().is_cluster {
        let message =
            "workloads register themselves where configuration is a cluster's: files are not written to";
        let problem = Problem::new(Severity::Info, Reason::NotSupported, at.path(), message);
        at.report(problem.hint("for files, write a WorkloadEntry for each workload"));
    }
    if let Some(probe) = probe {
        check_probe(&probe, &at.field("probe"));
    }
    let at_template = at.field("template");
    if template.address.as_ref().is_some_and(|address| !address.is_empty()) {
        at_template.field("address").warning_hint(
            Reason::Unreachable,
            "each workload has the address with which it registers; this one is not used",
            "leave it out",
        );
    }
    let mut template = parse_template(template, &at_template)?;
    let labels = metadata.unwrap_or_default().labels;
    let own = (*template.labels).clone();
    check_labels(&labels, &at.field("metadata").field("labels"));
    let mut all = parse_labels(&labels);
    all.extend(own);
    template.labels = Arc::new(all);
    Some(Model::WorkloadGroup(Arc::new(WorkloadGroup { metadata: meta.metadata, template })))
}
