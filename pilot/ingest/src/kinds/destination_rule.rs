//! DestinationRule.

use super::{Model, traffic_policy::parse_traffic_policy};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_export_to, parse_host, parse_labels},
};
use mesh_api::networking::destination_rule as api;
use mesh_model::{DestinationRule, Reason, Subset};
use serde_json::Value;
use std::{collections::BTreeSet, sync::Arc};

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::DestinationRuleSpec { host, traffic_policy, subsets, export_to, workload_selector } =
        decode_spec(value, at)?;
    let at = at.field("spec");
    if workload_selector.is_some_and(|selector| !selector.match_labels.is_empty()) {
        at.field("workloadSelector").error(
            Reason::NotSupported,
            "Meltemi cannot limit a rule to some clients yet, so this rule is not applied to any",
        );
        return None;
    }
    if host.is_empty() {
        at.field("host").error(Reason::Required, "the host is empty");
        return None;
    }
    let host = parse_host(&host, &at.field("host"))?;
    let policy = traffic_policy
        .map(|policy| parse_traffic_policy(policy, &at.field("trafficPolicy")))
        .unwrap_or_default();
    let at_subsets = at.field("subsets");
    let mut names = BTreeSet::new();
    let subsets = subsets
        .into_iter()
        .enumerate()
        .filter_map(|(index, subset)| parse_subset(subset, &mut names, &at_subsets.index(index)))
        .collect();
    let export_to = parse_export_to(&export_to, &at.field("exportTo"));
    Some(Model::DestinationRule(Arc::new(DestinationRule {
        metadata: meta.metadata,
        host,
        policy,
        subsets,
        export_to,
    })))
}

fn parse_subset(subset: api::Subset, names: &mut BTreeSet<String>, at: &At<'_>) -> Option<Subset> {
    let api::Subset { name, labels, traffic_policy } = subset;
    let at_name = at.field("name");
    if name.is_empty() {
        at_name.error(Reason::Required, "the subset has no name");
        return None;
    }
    // A cluster's name is `outbound|port|subset|host`.
    if name.contains('|') || name.contains(char::is_whitespace) {
        at_name.error(Reason::InvalidValue, format!("`{name}` has a space or a `|`"));
        return None;
    }
    if !names.insert(name.clone()) {
        at_name.error(
            Reason::Duplicate,
            format!("there is another subset `{name}` above; this one is left out"),
        );
        return None;
    }
    Some(Subset {
        name: name.into(),
        labels: parse_labels(&labels),
        policy: traffic_policy
            .map(|policy| parse_traffic_policy(policy, &at.field("trafficPolicy")))
            .unwrap_or_default(),
    })
}
