//! PeerAuthentications that have no effect: because an older one is for the same workloads, because they select nobody, or because
//! nothing is reached at the ports that they name.

use super::{Found, claims::NOBODY, scope::Scope};
use mesh_model::{
    Labels, MtlsMode, ObjectRef, PeerAuthentication, Problem, Reason, Severity, Sidecar, Workload,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

type Values<'m> = Vec<&'m Arc<PeerAuthentication>>;

/// Looks at those of a namespace.
pub(super) fn check_peer_authentications(scope: &Scope<'_>, namespace: &str, found: &mut Found) {
    // Those that are for nobody say so themselves.
    let values = scope.peer_authentications_of_namespace(namespace);
    let (mut whole, mut selecting): (Values<'_>, Values<'_>) =
        values.filter(|value| !value.is_idle(scope.config())).partition(|value| value.selector.is_none());
    for values in [&mut whole, &mut selecting] {
        values.sort_by_key(|value| value.metadata.precedence());
    }
    if let Some((winner, others)) = whole.split_first() {
        for other in others.iter().filter(|other| !other.is_unreadable) {
            let message = format!(
                "{} is for the whole namespace already; this one has no effect",
                winner.metadata.object
            );
            let problem = Problem::warning(Reason::Conflict, "spec", message);
            found.add(&other.metadata.object, problem.hint("merge them, or add a selector"));
            let message =
                format!("{} is for the whole namespace, too; this one counts", other.metadata.object);
            found.add(
                &winner.metadata.object,
                Problem::new(Severity::Info, Reason::Conflict, "spec", message),
            );
        }
    }
    if !selecting.is_empty() {
        check_selecting(scope, namespace, &selecting, found);
    }
}

/// TLS of Sidecars' own on ports that take the mesh's: as in Istio, it has no effect there.
pub(super) fn check_given_tls(scope: &Scope<'_>, namespace: &str, found: &mut Found) {
    let has_tls = |sidecar: &Sidecar| sidecar.ingress.iter().any(|ingress| ingress.tls.is_some());
    if !scope.sidecars_of_namespace(namespace).any(|sidecar| has_tls(sidecar)) {
        return;
    }
    let mut told: BTreeSet<(&ObjectRef, usize)> = BTreeSet::new();
    for workload in scope.workloads_of_namespace(namespace) {
        let sidecar = scope.sidecar_for(namespace, &workload.labels);
        let Some(sidecar) = sidecar.filter(|sidecar| has_tls(sidecar)) else { continue };
        let modes = scope.peer_modes(namespace, &workload.labels);
        for ingress in sidecar.ingress.iter().filter(|ingress| ingress.tls.is_some()) {
            let port = ingress.port.number;
            let object = &sidecar.metadata.object;
            if modes.on_port(port) == MtlsMode::Disable || !told.insert((object, ingress.index)) {
                continue;
            }
            let message = format!(
                "port {port} of {} takes the mesh's own TLS, so this has no effect there",
                workload.object
            );
            let path = format!("spec.ingress[{}].tls", ingress.index);
            let hint = format!(
                "leave the port to it by a PeerAuthentication with `portLevelMtls: {{{port}: {{mode: DISABLE}}}}`"
            );
            found.add(object, Problem::warning(Reason::Conflict, path, message).hint(hint));
        }
    }
}

fn check_selecting(scope: &Scope<'_>, namespace: &str, selecting: &Values<'_>, found: &mut Found) {
    let mut is_inhabited = false;
    let mut chosen: BTreeMap<&ObjectRef, &Arc<Workload>> = BTreeMap::new();
    let mut contested: BTreeMap<(&ObjectRef, &ObjectRef), &ObjectRef> = BTreeMap::new();
    for workload in scope.workloads_of_namespace(namespace) {
        is_inhabited = true;
        let mut values = selecting.iter().filter(|value| value.selects(&workload.labels));
        let Some(winner) = values.next() else { continue };
        chosen.entry(&winner.metadata.object).or_insert(workload);
        for other in values.filter(|other| !other.is_unreadable) {
            chosen.entry(&other.metadata.object).or_insert(workload);
            contested.entry((&winner.metadata.object, &other.metadata.object)).or_insert(&workload.object);
        }
    }
    for ((winner, other), workload) in contested {
        let message = format!("{winner} selects {workload} already, so this one has no effect there");
        let problem = Problem::warning(Reason::Conflict, "spec.selector", message);
        found.add(other, problem.hint("merge them, or let each select other workloads"));
        let message = format!("{other} selects {workload}, too; this one counts");
        found.add(winner, Problem::new(Severity::Info, Reason::Conflict, "spec.selector", message));
    }
    // Where there are no workloads at all, none can be expected to be selected.
    for value in selecting.iter().filter(|_| is_inhabited) {
        match chosen.get(&value.metadata.object) {
            Some(_) => check_ports(scope, value, found),
            None => {
                // Normal for what is scaled to zero, and what a misspelt label looks like.
                let message = "no workload of this namespace has these labels, so this has no effect";
                let problem = Problem::warning(Reason::NotFound, "spec.selector", message);
                found.add(&value.metadata.object, problem.hint(NOBODY));
            }
        }
    }
}

/// Ports at which no service reaches the workloads: written are often those of the service.
fn check_ports(scope: &Scope<'_>, value: &PeerAuthentication, found: &mut Found) {
    if value.ports.is_empty() {
        return;
    }
    let mut served: BTreeSet<u16> = BTreeSet::new();
    let mut targets: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    for service in scope.services_of_namespace(value.metadata.namespace()) {
        let Some(endpoints) = scope.endpoints(service) else { continue };
        for port in &service.ports {
            let own = |labels: &Labels| value.selects(labels);
            for endpoint in endpoints.on_port(port.number).iter().filter(|endpoint| own(&endpoint.labels)) {
                served.insert(endpoint.port);
                targets.entry(port.number).or_default().insert(endpoint.port);
            }
        }
    }
    // Without any service it may be that nothing is known yet.
    for port in value.ports.keys().filter(|port| !served.is_empty() && !served.contains(port)) {
        let message = format!("no service leads to port {port} of the workloads that this selects");
        let problem = Problem::warning(Reason::NotFound, format!("spec.portLevelMtls.{port}"), message);
        let problem = match targets.get(port).and_then(|targets| targets.first()) {
            Some(target) => problem
                .hint(format!("{port} is the service's own port; the workload's is {target}: write that")),
            None => problem.hint("write a port that the workload listens on, or leave it out"),
        };
        found.add(&value.metadata.object, problem);
    }
}
