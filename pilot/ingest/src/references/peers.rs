//! PeerAuthentications that have no effect: because an older one is for the same workloads, because they select nobody, or because
//! nothing is reached at the ports that they name.

use super::Found;
use mesh_model::{
    Labels, Mesh, MtlsMode, ObjectRef, PeerAuthentication, Problem, Reason, Severity, Sidecar, Workload,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

type Values<'m> = Vec<&'m Arc<PeerAuthentication>>;

/// Looks at all of them.
pub(super) fn check_peer_authentications(mesh: &Mesh, found: &mut Found) {
    let mut whole: BTreeMap<&str, Values<'_>> = BTreeMap::new();
    let mut selecting: BTreeMap<&str, Values<'_>> = BTreeMap::new();
    // Those that are for nobody say so themselves.
    for value in mesh.peer_authentications().filter(|value| !value.is_idle(mesh.config())) {
        let of = if value.selector.is_none() { &mut whole } else { &mut selecting };
        of.entry(value.metadata.namespace()).or_default().push(value);
    }
    for values in whole.values_mut().chain(selecting.values_mut()) {
        values.sort_by_key(|value| value.metadata.precedence());
    }
    for values in whole.values() {
        let Some((winner, others)) = values.split_first() else { continue };
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
        check_selecting(mesh, &selecting, found);
    }
}

/// TLS of Sidecars' own on ports that take the mesh's: as in Istio, it has no effect there.
pub(super) fn check_given_tls(mesh: &Mesh, found: &mut Found) {
    let has_tls = |sidecar: &Sidecar| sidecar.ingress.iter().any(|ingress| ingress.tls.is_some());
    if !mesh.sidecars().any(|sidecar| has_tls(sidecar)) {
        return;
    }
    let mut told: BTreeSet<(&ObjectRef, usize)> = BTreeSet::new();
    for workload in mesh.workloads() {
        let namespace = &workload.object.name.namespace;
        let sidecar = mesh.sidecar_for(namespace, &workload.labels);
        let Some(sidecar) = sidecar.filter(|sidecar| has_tls(sidecar)) else { continue };
        let modes = mesh.peer_modes(namespace, &workload.labels);
        for ingress in sidecar.ingress.iter().filter(|ingress| ingress.tls.is_some()) {
            let port = ingress.listener.port;
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

fn check_selecting(mesh: &Mesh, selecting: &BTreeMap<&str, Values<'_>>, found: &mut Found) {
    let mut inhabited: BTreeSet<&str> = BTreeSet::new();
    let mut chosen: BTreeMap<&ObjectRef, &Arc<Workload>> = BTreeMap::new();
    let mut contested: BTreeMap<(&ObjectRef, &ObjectRef), &ObjectRef> = BTreeMap::new();
    for workload in mesh.workloads() {
        let namespace = &*workload.object.name.namespace;
        inhabited.insert(namespace);
        let mut values =
            selecting.get(namespace).into_iter().flatten().filter(|value| value.selects(&workload.labels));
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
    let there = selecting.iter().filter(|(namespace, _)| inhabited.contains(*namespace));
    for value in there.flat_map(|(_, values)| values) {
        match chosen.get(&value.metadata.object) {
            Some(_) => check_ports(mesh, value, found),
            None => {
                // Normal for what is scaled to zero, and what a misspelt label looks like.
                let message = "no workload of this namespace has these labels, so this has no effect";
                let problem = Problem::warning(Reason::NotFound, "spec.selector", message);
                found.add(&value.metadata.object, problem);
            }
        }
    }
}

/// Ports at which no service reaches the workloads: written are often those of the service.
fn check_ports(mesh: &Mesh, value: &PeerAuthentication, found: &mut Found) {
    if value.ports.is_empty() {
        return;
    }
    let mut served: BTreeSet<u16> = BTreeSet::new();
    let mut targets: BTreeMap<u16, BTreeSet<u16>> = BTreeMap::new();
    for service in mesh.services_of_namespace(value.metadata.namespace()) {
        let Some(endpoints) = mesh.endpoints(service) else { continue };
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
            None => problem,
        };
        found.add(&value.metadata.object, problem);
    }
}
