//! WorkloadGroup: what workloads outside Kubernetes that register themselves are like. Read here to be checked; the entry of a workload is made
//! when it registers.

use super::{
    Model,
    service_entry::{EndpointTemplate, parse_template},
};
use crate::{at::At, decode::decode_spec, meta::Meta};
use mesh_api::WorkloadGroupSpec;
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

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    // The probe is its agents': `istioctl x workload entry configure` hands it on to them.
    let WorkloadGroupSpec { metadata, template, probe: _ } = decode_spec(value, at)?;
    let at = at.field("spec");
    if !at.context().is_cluster {
        let message =
            "workloads register themselves where configuration is a cluster's: files are not written to";
        let problem = Problem::new(Severity::Info, Reason::NotSupported, at.path(), message);
        at.report(problem.hint("for files, write a WorkloadEntry for each workload"));
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
    let mut all = crate::values::parse_labels(&labels);
    all.extend(own);
    template.labels = Arc::new(all);
    Some(Model::WorkloadGroup(Arc::new(WorkloadGroup { metadata: meta.metadata, template })))
}
