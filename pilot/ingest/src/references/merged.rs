//! DestinationRules of one namespace for one host, which count as one: what of the younger has no effect; and those that do not, as they are
//! for other namespaces: where only one of them counts.

use super::{Found, ports::overlap, scope::Scope};
use mesh_model::{DestinationRule, Host, Labels, Problem, Reason, Severity, TrafficPolicy};
use std::{collections::BTreeMap, sync::Arc};

/// Rules that younger ones are compared with. Nobody reviews more, and there may be a hundred thousand.
const COMPARED: usize = 100;

/// The oldest policy counts, and of subsets of one name the oldest, as in Istio.
pub(super) fn check_merged_rules(scope: &Scope<'_>, host: &Host, found: &mut Found) {
    let mut groups: BTreeMap<(&str, Option<&Labels>), Vec<&Arc<DestinationRule>>> = BTreeMap::new();
    for rule in scope.rules_of_exactly(host) {
        groups.entry((rule.metadata.namespace(), rule.selector.as_ref())).or_default().push(rule);
    }
    for rules in groups.values() {
        for (position, rule) in rules.iter().enumerate() {
            let before = rules.get(..position.min(COMPARED)).unwrap_or_default();
            let meet = before.iter().filter(|other| overlap(&other.export_to, &rule.export_to));
            let (merged, apart): (Vec<_>, Vec<_>) =
                meet.partition(|other| rule.export_to.covers(&other.export_to));
            check_policy(&merged, rule, found);
            check_subsets(&merged, rule, found);
            apart.into_iter().filter(|other| !in_third(before, other, rule)).for_each(|other| {
                tell_apart(other, rule, found);
            });
        }
    }
}

/// Whether all that see both see them as parts of a third that is older than either.
fn in_third(before: &[&Arc<DestinationRule>], older: &DestinationRule, rule: &DestinationRule) -> bool {
    let thirds = before.iter().take_while(|third| third.metadata.object != older.metadata.object);
    let both = [&older.export_to, &rule.export_to];
    thirds.map(|third| &third.export_to).any(|third| {
        both.iter().all(|export_to| export_to.covers(third))
            && both.iter().any(|export_to| third.covers(export_to))
    })
}

/// Tells both of two that are not merged that some see both, and only the younger counts for them, as in Istio.
fn tell_apart(older: &DestinationRule, rule: &DestinationRule, found: &mut Found) {
    let (first, other, host) = (&older.metadata.object, &rule.metadata.object, &rule.host);
    let message = format!(
        "{other} is for {host}, too, and for some of the same namespaces, but not for all: the two are not merged, and there this one has no effect"
    );
    let problem = Problem::warning(Reason::Conflict, "spec.exportTo", message);
    found.add(first, problem.hint("write the same exportTo in both"));
    let message = format!(
        "{first} is for {host}, too, and for other namespaces: the two are not merged, and where both are seen this one counts"
    );
    found.add(other, Problem::new(Severity::Info, Reason::Conflict, "spec.exportTo", message));
}

fn check_policy(older: &[&&Arc<DestinationRule>], rule: &DestinationRule, found: &mut Found) {
    let nothing = TrafficPolicy::default();
    let Some(first) = older.iter().find(|other| other.policy != nothing) else { return };
    if rule.policy != nothing && rule.policy != first.policy {
        let both = "spec.trafficPolicy".to_owned();
        tell([(first, both.clone()), (rule, both)], "a trafficPolicy", found);
    }
}

fn check_subsets(older: &[&&Arc<DestinationRule>], rule: &DestinationRule, found: &mut Found) {
    for (index, subset) in rule.subsets.iter().enumerate() {
        let of_name =
            |other: &&&&Arc<DestinationRule>| other.subsets.iter().any(|one| one.name == subset.name);
        let Some(first) = older.iter().find(of_name) else { continue };
        let Some(theirs) = first.subsets.iter().position(|one| one.name == subset.name) else { continue };
        if first.subsets.get(theirs) != Some(subset) {
            let at = |index| format!("spec.subsets[{index}]");
            let what = format!("a subset `{}`", subset.name);
            tell([(first, at(theirs)), (rule, at(index))], &what, found);
        }
    }
}

/// Tells both, each with where it has it: `what` of the second has no effect, because the first has it.
fn tell(
    [(first, at_first), (rule, at_rule)]: [(&DestinationRule, String); 2],
    what: &str,
    found: &mut Found,
) {
    let (winner, other, host) = (&first.metadata.object, &rule.metadata.object, &rule.host);
    let message = format!("{winner} has {what} for {host} already; this one has no effect where both apply");
    let problem = Problem::warning(Reason::Conflict, at_rule, message);
    found.add(other, problem.hint("merge them into one DestinationRule"));
    let message = format!("{other} has {what} for {host}, too; this one counts");
    found.add(winner, Problem::new(Severity::Info, Reason::Conflict, at_first, message));
}
