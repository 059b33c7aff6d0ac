//! What ports of services say about themselves, and services whose ports get in each other's way.

use super::{Found, indexes::claims_of, scope::Scope};
use mesh_model::{
    EndpointAddress, ExportTo, Host, ObjectRef, Problem, Protocol, Reason, Registry, Service, Severity,
};
use std::{
    collections::{BTreeSet, HashMap},
    net::IpAddr,
};

/// Ports that say nothing of what is spoken on them.
pub(super) fn check_protocols(service: &Service, found: &mut Found) {
    if service.registry != Registry::Kubernetes {
        return;
    }
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

/// Ports of ServiceEntries that take every connection, because nothing tells theirs apart.
pub(super) fn check_nameless(service: &Service, found: &mut Found) {
    if service.registry != Registry::External {
        return;
    }
    let unsure = |number: u16| service.port(number).is_none_or(|port| port.protocol == Protocol::Auto);
    let any = claims_of(service).into_iter().filter(|(address, port)| address.is_none() && !unsure(*port));
    for (_, port) in any {
        let (severity, for_whom) = match service.allocated.is_some() {
            true => (Severity::Info, "for clients without Istio's DNS proxy "),
            false => (Severity::Warning, ""),
        };
        let message = format!(
            "without `addresses` this takes {for_whom}every connection to port {port} that nothing else takes"
        );
        let problem = Problem::new(severity, Reason::Required, "spec.addresses", message);
        found.add(&service.metadata.object, problem.hint("give it an address of its own"));
    }
}

/// Connections that nothing but their address tells apart: services without one share all addresses.
pub(super) fn check_address(scope: &Scope<'_>, address: Option<IpAddr>, port: u16, found: &mut Found) {
    let services = scope.claims(address, port);
    let Some((winner, others)) = services.split_first() else { return };
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

pub(super) fn overlap(left: &ExportTo, right: &ExportTo) -> bool {
    match (left, right) {
        (ExportTo::Namespaces(left), ExportTo::Namespaces(right)) => {
            left.intersection(right).next().is_some()
        }
        (ExportTo::All | ExportTo::Default, _) | (_, ExportTo::All | ExportTo::Default) => true,
    }
}

/// A Service's port as a workload is reached by it.
type Use<'a> = (&'a Service, u16, Protocol);

/// Services that lead to the same workloads and do not agree on a port of these. Told to this one alone: the others are checked, too.
pub(super) fn check_shared_workloads(scope: &Scope<'_>, service: &Service, found: &mut Found) {
    let mut told = BTreeSet::new();
    // Seldom anything: most workloads are of one service.
    let mut of_others: HashMap<(&Host, &ObjectRef), HashMap<_, Vec<Use<'_>>>> = HashMap::new();
    for (address, target, own) in uses_of(scope, service) {
        let others = scope.sharers(address, target);
        let others = others.filter(|other| other.metadata.object != service.metadata.object);
        // Who has more of them has heard enough.
        for other in others.take(COMPARED) {
            let of_other = of_others.entry((&other.host, &other.metadata.object)).or_insert_with(|| {
                let mut at: HashMap<_, Vec<_>> = HashMap::new();
                for (address, target, other) in uses_of(scope, other) {
                    at.entry((address, target)).or_default().push(other);
                }
                at
            });
            for other in of_other.get(&(address, target)).into_iter().flatten() {
                if let Some((severity, differs)) = disagreement(&own, other) {
                    told.insert((&other.0.metadata.object, target, severity, differs));
                }
            }
        }
    }
    for (other, target, severity, differs) in told {
        let message = format!("{other} selects the same workloads, and for their port {target} {differs}");
        let hint = match severity {
            Severity::Info => "clients of either get there; Istio asks for the same number",
            Severity::Warning | Severity::Error => {
                "let both say the same, or let the workloads listen on one more port"
            }
        };
        let problem = Problem::new(severity, Reason::Conflict, "spec.ports", message).hint(hint);
        found.add(&service.metadata.object, problem);
    }
}

/// The ports of workloads that a service which selects them leads to.
fn uses_of<'a>(scope: &Scope<'a>, service: &'a Service) -> Vec<(&'a EndpointAddress, u16, Use<'a>)> {
    let Some(endpoints) = service.selector.as_ref().and_then(|_| scope.endpoints(service)) else {
        return Vec::new();
    };
    let ports = service.ports.iter().flat_map(|port| {
        let endpoints = endpoints.on_port(port.number).iter();
        // A socket has no port, and is whatever each service takes it for.
        let has_port =
            |address: &EndpointAddress| matches!(address, EndpointAddress::Ip(_) | EndpointAddress::Name(_));
        let endpoints = endpoints.filter(move |endpoint| has_port(&endpoint.address));
        endpoints
            .map(move |endpoint| (&endpoint.address, endpoint.port, (service, port.number, port.protocol)))
    });
    ports.collect()
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
