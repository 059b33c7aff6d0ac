//! DestinationRule.

use super::{Model, traffic_policy::parse_traffic_policy};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    names::subset_fault,
    values::{parse_export_to_clients, parse_host, parse_selector, parse_workload_selector},
};
use mesh_api::networking::destination_rule as api;
use mesh_model::{DestinationRule, ExportTo, Failover, LocalityLb, Reason, Subset, TrafficPolicy};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::DestinationRuleSpec { host, traffic_policy, subsets, export_to, workload_selector } =
        decode_spec(value, at)?;
    let at = at.field("spec");
    if host.is_empty() {
        at.field("host").error_hint(
            Reason::Required,
            "the host is empty",
            "write the name of a service, as in `host: reviews`",
        );
        return None;
    }
    // Without one there is no rule, but all that is wrong is said at once.
    let host = parse_host(&host, &at.field("host"));
    let selects = workload_selector.is_some();
    let policy = traffic_policy
        .map(|policy| parse_traffic_policy(policy, selects, &at.field("trafficPolicy")))
        .unwrap_or_default();
    let at_subsets = at.field("subsets");
    let mut names = BTreeSet::new();
    let subsets: Vec<Subset> = subsets
        .into_iter()
        .enumerate()
        .filter_map(|(index, subset)| parse_subset(subset, selects, &mut names, &at_subsets.index(index)))
        .collect();
    report_idle_failover(&policy, &subsets, &at);
    let export_to = match &workload_selector {
        None => parse_export_to_clients(&export_to, &at.field("exportTo")),
        // It selects among the clients of its own namespace, whatever it says.
        Some(_) => {
            let own = meta.metadata.namespace();
            if export_to.iter().any(|entry| entry != "." && *entry != **own) {
                at.field("exportTo").warning_hint(
                    Reason::Conflict,
                    "a rule with `workloadSelector` is for clients of its own namespace alone, whatever this says; Istio refuses it",
                    "leave `exportTo` out, or `workloadSelector`",
                );
            }
            ExportTo::Namespaces([own.clone()].into())
        }
    };
    Some(Model::DestinationRule(Arc::new(DestinationRule {
        metadata: meta.metadata,
        host: host?,
        policy,
        subsets,
        export_to,
        selector: workload_selector.map(|selector| {
            parse_workload_selector(&selector.match_labels, "matchLabels", &at.field("workloadSelector"))
        }),
    })))
}

/// Says where an order of endpoints is asked for, and nothing in this rule makes use of it.
fn report_idle_failover(policy: &TrafficPolicy, subsets: &[Subset], at: &At<'_>) {
    let detects = |policy: &TrafficPolicy| {
        policy.outlier_detection.is_some()
            || policy.ports.values().any(|port| port.outlier_detection.is_some())
    };
    let orders = |policy: &TrafficPolicy| {
        let locality = policy.load_balancer.as_ref().and_then(|balancer| balancer.locality.as_ref());
        matches!(locality, Some(LocalityLb::Failover(failover)) if *failover != Failover::default())
    };
    let mut all = std::iter::once(policy).chain(subsets.iter().map(|subset| &subset.policy));
    if all.clone().any(detects) || !all.any(orders) {
        return;
    }
    at.warning_hint(
        Reason::Unreachable,
        "without outlier detection, here or in another rule for this host, no proxy notices that near endpoints fail",
        "add `outlierDetection` to the trafficPolicy",
    );
}

fn parse_subset(
    subset: api::Subset,
    selects: bool,
    names: &mut BTreeSet<String>,
    at: &At<'_>,
) -> Option<Subset> {
    let api::Subset { name, labels, traffic_policy } = subset;
    let at_name = at.field("name");
    if name.is_empty() {
        at_name.error_hint(
            Reason::Required,
            "the subset has no name",
            "write one that routes name, as in `name: v1`",
        );
        return None;
    }
    // A cluster's name is `outbound|port|subset|host`.
    if name.contains('|') || name.contains(char::is_whitespace) {
        at_name.error_hint(
            Reason::InvalidValue,
            format!("`{name}` has a space or a `|`"),
            "use letters, digits and `-`, as in v1",
        );
        return None;
    }
    if let Some(fault) = subset_fault(&name) {
        at_name.warning_hint(
            Reason::InvalidValue,
            format!("Istio refuses a subset called `{name}`: {fault}"),
            "use letters, digits and `-`, as in v1",
        );
    }
    if !names.insert(name.clone()) {
        at_name.error_hint(
            Reason::Duplicate,
            format!("there is another subset `{name}` above; this one is left out"),
            "give each subset a name of its own, or merge the two",
        );
        return None;
    }
    Some(Subset {
        name: name.into(),
        labels: parse_selector(&labels, &at.field("labels")),
        policy: traffic_policy
            .map(|policy| parse_traffic_policy(policy, selects, &at.field("trafficPolicy")))
            .unwrap_or_default(),
    })
}
