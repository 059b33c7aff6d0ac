//! What ports of services say about themselves, and services whose ports get in each other's way.

use super::Found;
use mesh_model::{
    EndpointAddress, ExportTo, Mesh, ObjectRef, Problem, Protocol, Reason, Registry, Service, ServicePort,
    Severity, Vip,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

/// Ports that say nothing of what is spoken on them.
pub(super) fn check_protocols(mesh: &Mesh, found: &mut Found) {
    for service in mesh.services().filter(|service| service.registry == Registry::Kubernetes) {
        for port in service.ports.iter().filter(|port| port.protocol == Protocol::Auto) {
            let name = match port.name.is_empty() {
                true => "has no name".to_owned(),
                false => format!("is named `{}`", port.name),
            };
            let message = format!(
                "port {} {name}, which says no protocol: proxies look at the first bytes of each connection",
                port.number
            );
            let hint = "begin the name with the protocol, as in http-web, or set appProtocol";
            let problem = Problem::new(Severity::Info, Reason::Required, "spec.ports", message).hint(hint);
            found.add(&service.metadata.object, problem);
        }
    }
}

fn is_opaque(port: &ServicePort) -> bool {
    !port.protocol.is_http() && !port.protocol.is_tls() && port.protocol != Protocol::Udp
}

/// Connections that nothing but their address tells apart: services without one share all addresses.
pub(super) fn check_addresses(mesh: &Mesh, found: &mut Found) {
    let mut at: BTreeMap<(Option<IpAddr>, u16), Vec<&Arc<Service>>> = BTreeMap::new();
    let mut nameless: BTreeSet<(&ObjectRef, u16, bool)> = BTreeSet::new();
    for service in mesh.services().filter(|service| !service.headless) {
        for port in service.ports.iter().filter(|port| is_opaque(port)) {
            if service.vips.is_empty() {
                at.entry((None, port.number)).or_default().push(service);
                if service.registry == Registry::External && port.protocol != Protocol::Auto {
                    nameless.insert((&service.metadata.object, port.number, service.allocated.is_some()));
                }
            }
            for vip in &service.vips {
                // Which of two ranges a connection is in is decided by the longer one.
                let Vip::Ip(address) = vip else { continue };
                at.entry((Some(*address), port.number)).or_default().push(service);
            }
        }
    }
    for (object, port, allocated) in nameless {
        let (severity, for_whom) = match allocated {
            true => (Severity::Info, "for clients without Istio's DNS proxy "),
            false => (Severity::Warning, ""),
        };
        let message = format!(
            "without `addresses` this takes {for_whom}every connection to port {port} that nothing else takes"
        );
        let problem = Problem::new(severity, Reason::Required, "spec.addresses", message);
        found.add(object, problem.hint("give it an address of its own"));
    }
    for ((address, port), mut services) in at {
        services.sort_by_key(|service| service.metadata.precedence());
        let Some((winner, others)) = services.split_first() else { continue };
        let address = address.map_or_else(|| "any address".to_owned(), |address| address.to_string());
        let object = &winner.metadata.object;
        for other in others {
            if other.metadata.object == *object || !overlap(&winner.export_to, &other.export_to) {
                continue;
            }
            let message = format!("connections to port {port} of {address} go to {object}, which is older");
            let problem = Problem::warning(Reason::Conflict, "spec.ports", message)
                .hint("give one of the two an address of its own, or another port");
            found.add(&other.metadata.object, problem);
            let message = format!(
                "{} asks for connections to port {port} of {address}, too; this one gets them",
                other.metadata.object
            );
            found.add(object, Problem::new(Severity::Info, Reason::Conflict, "spec.ports", message));
        }
    }
}

pub(super) fn overlap(left: &ExportTo, right: &ExportTo) -> bool {
    match (left, right) {
        (ExportTo::Namespaces(left), ExportTo::Namespaces(right)) => {
            left.intersection(right).next().is_some()
        }
        (ExportTo::All | ExportTo::Default, _) | (_, ExportTo::All | ExportTo::Default) => true,
    }
}

/// A Service's port as a workload is reached by it.
type Use<'a> = (&'a Arc<Service>, u16, Protocol);

/// Services with the same workloads that do not agree on a port of these.
pub(super) fn check_shared_workloads(mesh: &Mesh, found: &mut Found) {
    let mut uses: HashMap<(&EndpointAddress, u16), Vec<Use<'_>>> = HashMap::new();
    for service in mesh.services().filter(|service| service.selector.is_some()) {
        let Some(endpoints) = mesh.endpoints(service) else { continue };
        for port in &service.ports {
            for endpoint in endpoints.on_port(port.number) {
                let of_workload = uses.entry((&endpoint.address, endpoint.port)).or_default();
                of_workload.push((service, port.number, port.protocol));
            }
        }
    }
    let mut told = BTreeSet::new();
    for ((_, target), uses) in uses.iter().filter(|(_, uses)| uses.len() > 1) {
        // Whoever has more has heard enough.
        let uses: Vec<&Use<'_>> = uses.iter().take(COMPARED).collect();
        for (position, left) in uses.iter().enumerate() {
            for right in uses.iter().skip(position + 1) {
                if let Some((severity, differs)) = disagreement(left, right) {
                    let objects = [&left.0.metadata.object, &right.0.metadata.object];
                    told.insert((objects[0], objects[1], *target, severity, differs.clone()));
                    told.insert((objects[1], objects[0], *target, severity, differs));
                }
            }
        }
    }
    for (object, other, target, severity, differs) in told {
        let message = format!("{other} selects the same workloads, and for their port {target} {differs}");
        let hint = match severity {
            Severity::Info => "clients of either get there; Istio asks for the same number",
            Severity::Warning | Severity::Error => {
                "let both say the same, or let the workloads listen on one more port"
            }
        };
        found.add(object, Problem::new(severity, Reason::Conflict, "spec.ports", message).hint(hint));
    }
}

/// Services of one workload that are compared with each other.
const COMPARED: usize = 8;

fn disagreement(left: &Use<'_>, right: &Use<'_>) -> Option<(Severity, String)> {
    let ((one, number, protocol), (other, other_number, other_protocol)) = (left, right);
    if one.metadata.object == other.metadata.object {
        return None;
    }
    if protocol != other_protocol {
        let [first, second] = ordered(format!("{protocol:?}"), format!("{other_protocol:?}"));
        let text = format!("one says {first} and the other {second}: proxies believe the older Service");
        return Some((Severity::Warning, text));
    }
    (number != other_number).then(|| {
        let [first, second] = ordered(*number, *other_number);
        (Severity::Info, format!("one makes port {first} and the other port {second}"))
    })
}

/// Both are told the same words.
fn ordered<T: Ord>(left: T, right: T) -> [T; 2] {
    if left <= right { [left, right] } else { [right, left] }
}
