//! Objects that claim the same thing, of which one counts.

use super::{Found, Index, ports::overlap};
use mesh_model::{Labels, Mesh, ObjectRef, Problem, Reason, Severity, Sidecar, Traffic, VirtualService};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

impl Index<'_> {
    /// Requests under another name of a service are routed as those for the service.
    pub(super) fn check_aliased_hosts(&self, value: &VirtualService, found: &mut Found) {
        for host in value.hosts.iter().filter(|_| value.for_mesh()) {
            let services = self.mesh.services_of_host(host);
            let Some(target) = services.first().and_then(|service| service.alias_of()) else { continue };
            let message = format!(
                "{host} is only another name of {target}, so these routes are for requests to {host} on port 80 alone"
            );
            let problem = Problem::warning(Reason::Unreachable, "spec.hosts", message);
            found.add(&value.metadata.object, problem.hint(format!("write {target} instead")));
        }
    }

    /// Of several VirtualServices that sidecars use for one kind of traffic to one host, the oldest counts.
    pub(super) fn check_contested_hosts(&self, found: &mut Found) {
        for host in self.mesh.virtual_service_hosts() {
            let mut claims = self.mesh.virtual_services_of_host(host);
            claims.retain(|value| value.for_mesh());
            if claims.len() < 2 {
                continue;
            }
            for (traffic, routes) in [
                (Traffic::Http, "requests"),
                (Traffic::Tls, "TLS connections"),
                (Traffic::Tcp, "connections"),
            ] {
                let mut claims = claims.iter().filter(|value| value.routes(traffic));
                let Some(winner) = claims.next() else { continue };
                // Each may be for namespaces that the other is not for.
                for other in claims.filter(|other| overlap(&winner.export_to, &other.export_to)) {
                    let message = format!(
                        "{} routes {routes} to {host} already; this VirtualService has no effect on them where both apply",
                        winner.metadata.object
                    );
                    let problem = Problem::warning(Reason::Conflict, "spec.hosts", message);
                    found.add(&other.metadata.object, problem.hint("merge them into one VirtualService"));
                    let message =
                        format!("{} routes {routes} to {host}, too; this one counts", other.metadata.object);
                    let problem = Problem::new(Severity::Info, Reason::Conflict, "spec.hosts", message);
                    found.add(&winner.metadata.object, problem);
                }
            }
        }
    }
}

/// Of several Sidecars for a whole namespace the oldest counts.
pub(super) fn check_default_sidecars(mesh: &Mesh, found: &mut Found) {
    let mut defaults: BTreeMap<&str, Vec<&Arc<Sidecar>>> = BTreeMap::new();
    for value in mesh.sidecars().filter(|value| value.selector.is_none()) {
        defaults.entry(value.metadata.namespace()).or_default().push(value);
    }
    for values in defaults.values_mut() {
        values.sort_by_key(|value| value.metadata.precedence());
        let Some((winner, others)) = values.split_first() else { continue };
        for other in others {
            let message = format!(
                "{} is for the whole namespace already; this one has no effect",
                winner.metadata.object
            );
            let problem = Problem::warning(Reason::Conflict, "spec", message);
            found.add(&other.metadata.object, problem.hint("merge them, or add a workloadSelector"));
            let message =
                format!("{} is for the whole namespace, too; this one counts", other.metadata.object);
            let problem = Problem::new(Severity::Info, Reason::Conflict, "spec", message);
            found.add(&winner.metadata.object, problem);
        }
    }
}

/// Of several Sidecars that select a workload the oldest counts.
pub(super) fn check_selecting_sidecars(mesh: &Mesh, found: &mut Found) {
    let mut selecting: BTreeMap<&str, Vec<&Arc<Sidecar>>> = BTreeMap::new();
    for value in mesh.sidecars().filter(|value| value.selector.is_some()) {
        selecting.entry(value.metadata.namespace()).or_default().push(value);
    }
    let mut contested: BTreeMap<(&ObjectRef, &ObjectRef), &ObjectRef> = BTreeMap::new();
    let mut used: BTreeSet<&ObjectRef> = BTreeSet::new();
    let mut inhabited: BTreeSet<&str> = BTreeSet::new();
    for values in selecting.values_mut() {
        values.sort_by_key(|value| value.metadata.precedence());
    }
    for workload in mesh.workloads() {
        let namespace = &*workload.object.name.namespace;
        inhabited.insert(namespace);
        let values = selecting.get(namespace).into_iter().flatten();
        let mut values = values.filter(|value| {
            value.selector.iter().flatten().all(|(key, wanted)| workload.labels.get(key) == Some(wanted))
        });
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
    let there = selecting.iter().filter(|(namespace, _)| inhabited.contains(*namespace));
    for value in there.flat_map(|(_, values)| values) {
        if !used.contains(&value.metadata.object) {
            found.add(&value.metadata.object, selects_nobody());
        }
    }
}

/// DestinationRules for clients that are not there.
pub(super) fn check_selecting_rules(mesh: &Mesh, found: &mut Found) {
    let mut of_namespace: BTreeMap<&str, Vec<&Labels>> = BTreeMap::new();
    let mut rules = mesh.destination_rules().filter(|rule| rule.selector.is_some()).peekable();
    if rules.peek().is_none() {
        return;
    }
    for workload in mesh.workloads() {
        of_namespace.entry(&workload.object.name.namespace).or_default().push(&workload.labels);
    }
    for rule in rules {
        let Some(there) = of_namespace.get(&**rule.metadata.namespace()) else { continue };
        let chosen = |labels: &&&Labels| {
            rule.selector.iter().flatten().all(|(key, wanted)| labels.get(key) == Some(wanted))
        };
        if !there.iter().any(|labels| chosen(&labels)) {
            found.add(&rule.metadata.object, selects_nobody());
        }
    }
}

fn selects_nobody() -> Problem {
    // Normal for what is scaled to zero, and what a misspelt label looks like.
    let message = "no workload of this namespace has these labels, so this has no effect";
    Problem::warning(Reason::NotFound, "spec.workloadSelector", message)
}
