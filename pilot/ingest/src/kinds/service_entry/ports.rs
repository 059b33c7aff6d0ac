//! `ports` of a ServiceEntry. One that cannot be read, or that is there already, is left out; what is left is told by name and number.

use crate::{at::At, names::label_fault, values::parse_port};
use mesh_api::networking::service_entry as api;
use mesh_model::{Host, Protocol, Reason, ServicePort, Str};

/// What connections to one of several hosts go by, where they tell no name.
#[derive(Debug, Clone, Copy)]
pub(super) enum ToldApart {
    /// Each host has an address that it was given, for clients that ask the agent.
    ByAddress,
    /// All have the same endpoints.
    NeedNot,
    /// All have the same addresses, and each has endpoints of its own.
    Not,
}

/// Looks for ports that are not for several hosts, as connections to them tell no name.
pub(super) fn check_hosts(hosts: &[Host], ports: &[ServicePort], told: ToldApart, at: &At<'_>) {
    if hosts.len() < 2 {
        return;
    }
    let tells_no_name = |port: &&ServicePort| !port.protocol.is_http() && !port.protocol.is_tls();
    let Some(ServicePort { name, .. }) = ports.iter().find(tells_no_name) else { return };
    let hint = "write a ServiceEntry for each host, each with `addresses` of its own";
    let count = hosts.len();
    let refused = format!(
        "connections to port `{name}` need not tell which of {count} hosts is meant, which Istio refuses"
    );
    let here = match told {
        ToldApart::Not => "all go to the endpoints of one of them",
        ToldApart::NeedNot => "all of them have the same endpoints",
        ToldApart::ByAddress => "each has an address, for clients with Istio's DNS proxy",
    };
    let message = format!("{refused}; here {here}");
    match told {
        ToldApart::Not => at.warning_hint(Reason::Conflict, message, hint),
        ToldApart::NeedNot | ToldApart::ByAddress => at.info_hint(Reason::Conflict, message, hint),
    }
}

/// Reads the list.
pub(super) fn parse_ports(ports: Vec<api::ServicePort>, at: &At<'_>) -> Vec<ServicePort> {
    if ports.is_empty() {
        at.warning_hint(
            Reason::Required,
            "there are no ports, so nothing can be called",
            "write those that clients call, as in `ports: [{number: 443, name: tls, protocol: TLS}]`",
        );
    }
    let mut parsed: Vec<ServicePort> = Vec::with_capacity(ports.len());
    for (index, port) in ports.into_iter().enumerate() {
        let at = at.index(index);
        let api::ServicePort { number, protocol, name, target_port } = port;
        let Some(number) = parse_port(number, &at.field("number")) else { continue };
        let at_name = at.field("name");
        if name.is_empty() {
            at_name.error_hint(Reason::Required, "the port has no name", "write one, as in `name: http`");
            continue;
        }
        if let Some(fault) = label_fault(&name) {
            at_name.info_hint(
                Reason::InvalidValue,
                format!("Istio refuses a port called `{name}`: {fault}"),
                "for Istio write one such as http or http-api",
            );
        }
        if parsed.iter().any(|other| *other.name == *name) {
            at_name.error_hint(
                Reason::Duplicate,
                format!("there is another port `{name}` above; this one is left out"),
                "give each port a name of its own",
            );
            continue;
        }
        if parsed.iter().any(|other| other.number == number) {
            let message = format!("there is another port {number} above; this one is left out");
            at.field("number").error_hint(
                Reason::Duplicate,
                message,
                "give each port a number of its own, or merge the two",
            );
            continue;
        }
        let target = match target_port {
            None => None,
            Some(target) => match parse_port(target, &at.field("targetPort")) {
                Some(target) => Some(target),
                None => continue,
            },
        };
        let protocol = match protocol.filter(|text| !text.is_empty()) {
            None => Protocol::select(None, &name, number, "TCP"),
            Some(text) => Protocol::parse(&text).unwrap_or_else(|| {
                at.field("protocol").error_hint(
                    Reason::InvalidValue,
                    format!("`{text}` is not a protocol; what is spoken is found out at run time"),
                    "write one of HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO",
                );
                Protocol::Auto
            }),
        };
        parsed.push(ServicePort { number, name: name.into(), protocol, target, target_name: Str::default() });
    }
    parsed
}
