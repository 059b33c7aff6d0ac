//! Objects that claim the same thing, of which one counts.

use super::{Found, ports::overlap, scope::Scope};
use mesh_model::{
    ConnectionMatch, Host, HttpMatch, Labels, ObjectRef, Problem, Reason, Severity, Sidecar, Str, Traffic,
    VirtualService,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

impl Scope<'_> {
    /// Requests under another name of a service are routed as those for the service.
    pub(super) fn check_aliased_hosts(&self, value: &VirtualService, found: &mut Found) {
        // Beside other hosts it is routed on the ports of their services, too.
        for host in value.hosts.iter().filter(|_| value.for_mesh() && value.hosts.len() == 1) {
            let services = self.services_of_host(host);
            let Some(service) = services.first() else { continue };
            // With ports of its own it says itself where it is called.
            let Some(target) = service.alias_of().filter(|_| service.ports.is_empty()) else { continue };
            let message = format!(
                "{host} is only another name of {target}, so these routes are for requests to {host} on port 80 alone"
            );
            let problem = Problem::warning(Reason::Unreachable, "spec.hosts", message);
            let hint = format!("write {target} instead, or give the Service that is called so its `ports`");
            found.add(&value.metadata.object, problem.hint(hint));
        }
    }

    /// Wildcards of others that take in those of `value`: where both apply, the narrower one counts.
    pub(super) fn check_wider_hosts(&self, value: &VirtualService, found: &mut Found) {
        let kinds = [Traffic::Http, Traffic::Tls, Traffic::Tcp];
        for host in value.hosts.iter().filter(|host| host.is_wildcard() && value.for_mesh()) {
            let wider = host.and_wildcards().skip(1).filter(|wider| wider.as_str() != "*");
            for other in wider.flat_map(|wider| self.virtual_services_of_host(&wider)) {
                let meet = other.metadata.object != value.metadata.object
                    && other.for_mesh()
                    && kinds.iter().any(|kind| value.routes(*kind) && other.routes(*kind))
                    && overlap(&value.export_to, &other.export_to);
                if !meet {
                    continue;
                }
                let (narrower, wider) = (&value.metadata.object, &other.metadata.object);
                let info = |message| Problem::new(Severity::Info, Reason::Conflict, "spec.hosts", message);
                let message =
                    format!("{wider} has a wildcard that takes in {host}; for that this one counts");
                found.add(narrower, info(message));
                let message = format!(
                    "{narrower} routes {host}, which a wildcard here takes in; for that the other one counts"
                );
                found.add(wider, info(message));
            }
        }
    }

    /// Of several VirtualServices that sidecars use for one kind of traffic to one host, the oldest counts.
    pub(super) fn check_contested_host(&self, host: &Host, found: &mut Found) {
        let mut claims = self.virtual_services_of_host(host);
        claims.retain(|value| value.for_mesh());
        if claims.len() < 2 {
            return;
        }
        for (traffic, routes) in
            [(Traffic::Http, "requests"), (Traffic::Tls, "TLS connections"), (Traffic::Tcp, "connections")]
        {
            let mut claims = claims.iter().filter(|value| value.routes(traffic));
            let Some(winner) = claims.next() else { continue };
            // Each may be for namespaces that the other is not for.
            for other in claims.filter(|other| overlap(&winner.export_to, &other.export_to)) {
                let (effect, counts) = match routes_everybody(winner, traffic) {
                    true => ("no effect on them where both apply", "this one counts"),
                    false => (
                        "an effect only where the other has no route for the client and its port",
                        "this one counts where it has a route for the client and its port",
                    ),
                };
                let message = format!(
                    "{} routes {routes} to {host} already; this VirtualService has {effect}",
                    winner.metadata.object
                );
                let problem = Problem::warning(Reason::Conflict, "spec.hosts", message);
                found.add(&other.metadata.object, problem.hint("merge them into one VirtualService"));
                let message = format!("{} routes {routes} to {host}, too; {counts}", other.metadata.object);
                let problem = Problem::new(Severity::Info, Reason::Conflict, "spec.hosts", message);
                found.add(&winner.metadata.object, problem);
            }
        }
    }
}

/// Whether some of the routes is for every client on every port.
fn routes_everybody(value: &VirtualService, traffic: Traffic) -> bool {
    let anybody = |port: Option<u16>, namespace: &Option<Str>, labels: &Labels, gateways: &[Str]| {
        port.is_none() && namespace.is_none() && labels.is_empty() && gateways.is_empty()
    };
    let connections = match traffic {
        Traffic::Http => {
            return value.http.iter().any(|route| {
                let mut matches = route.matches.iter();
                route.matches.is_empty()
                    || matches.any(|HttpMatch { port, source_namespace, source_labels, gateways, .. }| {
                        anybody(*port, source_namespace, source_labels, gateways)
                    })
            });
        }
        Traffic::Tls => &value.tls,
        Traffic::Tcp => &value.tcp,
    };
    connections.iter().any(|route| {
        let mut matches = route.matches.iter();
        route.matches.is_empty()
            || matches.any(|ConnectionMatch { port, source_namespace, source_labels, gateways, .. }| {
                anybody(*port, source_namespace, source_labels, gateways)
            })
    })
}

/// Of several Sidecars for a whole namespace the oldest counts.
pub(super) fn check_default_sidecars(scope: &Scope<'_>, namespace: &str, found: &mut Found) {
    let values = sidecars(scope, namespace, |value| value.selector.is_none());
    let Some((winner, others)) = values.split_first() else { return };
    for other in others {
        let message =
            format!("{} is for the whole namespace already; this one has no effect", winner.metadata.object);
        let problem = Problem::warning(Reason::Conflict, "spec", message);
        found.add(&other.metadata.object, problem.hint("merge them, or add a workloadSelector"));
        let message = format!("{} is for the whole namespace, too; this one counts", other.metadata.object);
        let problem = Problem::new(Severity::Info, Reason::Conflict, "spec", message);
        found.add(&winner.metadata.object, problem);
    }
}

/// Those of a namespace that `are` such, the oldest first.
fn sidecars<'a>(scope: &Scope<'a>, namespace: &str, are: impl Fn(&Sidecar) -> bool) -> Vec<&'a Arc<Sidecar>> {
    let mut values: Vec<_> = scope.sidecars_of_namespace(namespace).filter(|value| are(value)).collect();
    values.sort_by_key(|value| value.metadata.precedence());
    values
}

/// Of several Sidecars that select a workload the oldest counts.
pub(super) fn check_selecting_sidecars(scope: &Scope<'_>, namespace: &str, found: &mut Found) {
    let selecting = sidecars(scope, namespace, |value| value.selector.is_some());
    if selecting.is_empty() {
        return;
    }
    let mut contested: BTreeMap<(&ObjectRef, &ObjectRef), &ObjectRef> = BTreeMap::new();
    let mut used: BTreeSet<&ObjectRef> = BTreeSet::new();
    let mut is_inhabited = false;
    for workload in scope.workloads_of_namespace(namespace) {
        is_inhabited = true;
        let mut values = selecting.iter().filter(|value| chooses(value.selector.as_ref(), &workload.labels));
        let Some(winner) = values.next() else { continue };
        used.insert(&winner.metadata.object);
        for other in values {
            used.insert(&other.metadata.object);
            let pair = (&winner.metadata.object, &other.metadata.object);
            contested.entry(pair).or_insert(&workload.object);
        }
    }
    for ((winner, other), workload) in contested {
        let message = format!("{winner} selects {workload} already, so this one has no effect there");
        let problem = Problem::warning(Reason::Conflict, "spec.workloadSelector", message);
        found.add(other, problem.hint("merge them, or let each select other workloads"));
        let message = format!("{other} selects {workload}, too; this one counts");
        let problem = Problem::new(Severity::Info, Reason::Conflict, "spec.workloadSelector", message);
        found.add(winner, problem);
    }
    // Where there are no workloads at all, none can be expected to be selected.
    for value in selecting.iter().filter(|_| is_inhabited) {
        if !used.contains(&value.metadata.object) {
            found.add(&value.metadata.object, selects_nobody());
        }
    }
}

/// DestinationRules for clients that are not there.
pub(super) fn check_selecting_rules(scope: &Scope<'_>, namespace: &str, found: &mut Found) {
    let rules = scope.rules_of_namespace(namespace).filter(|rule| rule.selector.is_some());
    let rules: Vec<_> = rules.collect();
    if rules.is_empty() {
        return;
    }
    let there: Vec<&Labels> =
        scope.workloads_of_namespace(namespace).map(|workload| &*workload.labels).collect();
    for rule in rules.iter().filter(|_| !there.is_empty()) {
        if !there.iter().any(|labels| chooses(rule.selector.as_ref(), labels)) {
            found.add(&rule.metadata.object, selects_nobody());
        }
    }
}

fn chooses(selector: Option<&Labels>, labels: &Labels) -> bool {
    selector.into_iter().flatten().all(|(key, wanted)| labels.get(key) == Some(wanted))
}

/// What to do about a selector that nobody answers to.
pub(super) const NOBODY: &str = "correct the labels, unless workloads with them are still to come";

fn selects_nobody() -> Problem {
    // Normal for what is scaled to zero, and what a misspelt label looks like.
    let message = "no workload of this namespace has these labels, so this has no effect";
    Problem::warning(Reason::NotFound, "spec.workloadSelector", message).hint(NOBODY)
}
