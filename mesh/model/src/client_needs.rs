//! What configuration looks at in the clients that it is for: the labels by which scopes, and places within them, are told apart.
//!
//! In: the rules, one by one, as they come and go. Out: the labels that count in a namespace, those that choose among rules apart from
//! those by which endpoints are near or far, because only load assignments depend on these. Proxies that differ in other
//! labels only are alike, so what nobody asks for must not be named here.

use crate::{DestinationRule, ExportTo, LocalityLb, MeshConfig, NODE_LABEL, Service, Str, TrafficPolicy};
use imbl::OrdMap;
use std::collections::BTreeSet;

/// What one rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Need {
    /// A label that says whether the rule is for a client.
    Selector(Str),
    /// A label by which endpoints are near or far.
    Place(Str),
    /// Whatever the mesh's own setting of localities looks at.
    MeshLocality,
}

/// What all rules look at, and in which namespaces.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientNeeds(OrdMap<(Need, ExportTo), usize>);

impl ClientNeeds {
    /// Counts a rule in or out; true when that makes a difference to somebody.
    fn count(&mut self, needs: BTreeSet<(Need, ExportTo)>, more: bool) -> bool {
        let mut different = false;
        for need in needs {
            let count = self.0.entry(need.clone()).or_insert(0);
            *count = if more { *count + 1 } else { count.saturating_sub(1) };
            match (*count, more) {
                (1, true) => different = true,
                (0, _) => {
                    self.0.remove(&need);
                    different = true;
                }
                _ => {}
            }
        }
        different
    }

    /// Replaces what a DestinationRule looks at; true when that makes a difference to somebody.
    pub fn replace_rule(&mut self, old: Option<&DestinationRule>, new: Option<&DestinationRule>) -> bool {
        self.replace(old.map(of_rule), new.map(of_rule))
    }

    /// Replaces what a service looks at; true when that makes a difference to somebody.
    pub fn replace_service(&mut self, old: Option<&Service>, new: Option<&Service>) -> bool {
        self.replace(old.map(of_service), new.map(of_service))
    }

    fn replace(
        &mut self,
        old: Option<BTreeSet<(Need, ExportTo)>>,
        new: Option<BTreeSet<(Need, ExportTo)>>,
    ) -> bool {
        if old == new {
            return false;
        }
        // In first: what both look at is not noticed.
        let came = self.count(new.unwrap_or_default(), true);
        let went = self.count(old.unwrap_or_default(), false);
        came || went
    }

    fn of(&self, namespace: &str) -> impl Iterator<Item = &Need> {
        self.0.keys().filter(move |(_, reach)| reach.includes(namespace)).map(|(need, _)| need)
    }

    /// The labels that choose among rules for clients in `namespace`.
    pub fn selectors(&self, namespace: &str) -> BTreeSet<Str> {
        let selector = |need: &Need| match need {
            Need::Selector(label) => Some(label.clone()),
            Need::Place(_) | Need::MeshLocality => None,
        };
        self.of(namespace).filter_map(selector).collect()
    }

    /// The labels by which endpoints are near or far to clients in `namespace`.
    pub fn places(&self, namespace: &str, config: &MeshConfig) -> BTreeSet<Str> {
        let mut labels = BTreeSet::new();
        if config.locality.is_unconditional() {
            labels.extend(config.locality.client_labels());
        }
        for need in self.of(namespace) {
            match need {
                Need::Selector(_) => {}
                Need::Place(label) => {
                    labels.insert(label.clone());
                }
                Need::MeshLocality => labels.extend(config.locality.client_labels()),
            }
        }
        labels
    }
}

fn of_rule(rule: &DestinationRule) -> BTreeSet<(Need, ExportTo)> {
    let DestinationRule { metadata: _, host: _, policy, subsets, export_to, selector } = rule;
    let selected = selector.iter().flat_map(|selector| selector.keys()).cloned().map(Need::Selector);
    let policies = std::iter::once(policy).chain(subsets.iter().map(|subset| &subset.policy));
    selected.chain(policies.flat_map(of_policy)).map(|need| (need, export_to.clone())).collect()
}

/// Each block for itself, though one may be overridden or lead to nothing without another: the other may be in another rule for the
/// same host, with which this one is merged.
fn of_policy(policy: &TrafficPolicy) -> BTreeSet<Need> {
    let balancers = policy.ports.values().map(|port| &port.load_balancer).chain([&policy.load_balancer]);
    let localities = balancers.flatten().filter_map(|balancer| balancer.locality.as_ref());
    let mut needs: BTreeSet<Need> = localities.flat_map(LocalityLb::client_labels).map(Need::Place).collect();
    let of_ports = policy.ports.values().map(|port| &port.outlier_detection);
    if of_ports.chain([&policy.outlier_detection]).any(Option::is_some) {
        needs.insert(Need::MeshLocality);
    }
    needs
}

fn of_service(service: &Service) -> BTreeSet<(Need, ExportTo)> {
    let by_place = service.distribution.iter().flat_map(LocalityLb::client_labels);
    let by_node = service.node_local.then(|| Str::from(NODE_LABEL));
    by_place.chain(by_node).map(|label| (Need::Place(label), service.export_to.clone())).collect()
}
