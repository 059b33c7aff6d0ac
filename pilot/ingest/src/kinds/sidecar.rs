//! Sidecar.

mod ingress;
mod listener;
mod server_tls;

use super::{Model, traffic_policy::parse_connection_pool, virtual_service::parse_destination};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    names::label_fault,
    values::{parse_host, parse_workload_selector},
};
use listener::{Written, parse_each, parse_egress_listener};
use mesh_api::networking::sidecar as api;
use mesh_model::{
    Destination, EgressHost, EgressNamespace, ListenerPlace, OutboundPolicy, Reason, Sidecar, SidecarAddress,
    SidecarEgress, SidecarListener, SidecarPort,
};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::SidecarSpec {
        workload_selector,
        ingress,
        egress,
        inbound_connection_pool,
        outbound_traffic_policy,
    } = decode_spec(value, at)?;
    let at = at.field("spec");
    if ingress.is_empty()
        && egress.is_empty()
        && inbound_connection_pool.is_none()
        && outbound_traffic_policy.is_none()
    {
        at.warning_hint(
            Reason::Required,
            "the Sidecar says nothing: its workloads see all that there is, as without any; Istio refuses this",
            "write `egress`, as in `egress: [{hosts: [\"./*\"]}]`, or leave the object out",
        );
    }
    let ingress = ingress::parse(ingress, &at.field("ingress"));
    let at_egress = at.field("egress");
    report_early(&egress, &at_egress);
    let egress: Vec<_> = egress
        .into_iter()
        .enumerate()
        .map(|(index, listener)| parse_egress(listener, &at_egress.index(index)))
        .collect();
    report_doubles(&egress, &at_egress);
    let at_policy = at.field("outboundTrafficPolicy");
    let outbound = outbound_traffic_policy.map(|policy| parse_outbound(policy, &at_policy));
    let (outbound_policy, egress_proxy) = match outbound {
        Some((policy, proxy)) => (Some(policy), proxy),
        None => (None, None),
    };
    Some(Model::Sidecar(Arc::new(Sidecar {
        metadata: meta.metadata,
        selector: workload_selector
            .map(|selector| {
                parse_workload_selector(&selector.labels, "labels", &at.field("workloadSelector"))
            })
            .filter(|labels| !labels.is_empty()),
        ingress,
        inbound_pool: inbound_connection_pool
            .map(|pool| parse_connection_pool(pool, &at.field("inboundConnectionPool"))),
        egress,
        outbound_policy,
        egress_proxy,
    })))
}

/// A listener of which no host can be used stays: without it everything would become visible.
fn parse_egress(listener: api::EgressListener, at: &At<'_>) -> SidecarEgress {
    let api::EgressListener { port, bind, capture_mode, hosts } = listener;
    let listener = match port {
        Some(port) => parse_egress_listener(Written { port, bind, capture: capture_mode }, at).map(Some),
        None => parse_each(bind, capture_mode, at),
    };
    let Some(listener) = listener else {
        // Without its listener it is not one for everything instead.
        return SidecarEgress { listener: None, hosts: Vec::new(), excluded: Vec::new() };
    };
    let at_hosts = at.field("hosts");
    if hosts.is_empty() {
        at_hosts.error_hint(
            Reason::Required,
            "no hosts are imported",
            "write `*/*` for all, `./*` for this namespace",
        );
    }
    let (mut imported, mut excluded) = (Vec::new(), Vec::new());
    for (index, text) in hosts.iter().enumerate() {
        let at = at_hosts.index(index);
        match text.strip_prefix('~') {
            // Nothing, as in Istio before anything could be left out.
            Some("/*") => {}
            Some(text) => excluded.extend(parse_egress_host(text, true, &at)),
            None => imported.extend(parse_egress_host(text, false, &at)),
        }
    }
    report_covered(&imported, &at_hosts);
    if imported.is_empty() && !excluded.is_empty() {
        at_hosts.error_hint(
            Reason::Required,
            "hosts are left out, but none is imported",
            "add `*/*` to import all others",
        );
    }
    SidecarEgress { listener, hosts: imported, excluded }
}

/// Hosts that are imported by another entry of the same listener, too.
fn report_covered(hosts: &[EgressHost], at: &At<'_>) {
    let own = EgressNamespace::Named(at.namespace().into());
    let place = |host: &EgressHost| match &host.namespace {
        EgressNamespace::Own => own.clone(),
        other => other.clone(),
    };
    let written = |host: &EgressHost| match &host.namespace {
        EgressNamespace::Any => format!("*/{}", host.host),
        EgressNamespace::Own => format!("./{}", host.host),
        EgressNamespace::Named(name) => format!("{name}/{}", host.host),
    };
    let mut first = HashMap::new();
    for (index, host) in hosts.iter().enumerate() {
        first.entry((place(host), host.host.clone())).or_insert(index);
    }
    for (index, narrow) in hosts.iter().enumerate() {
        let mut wider = narrow.host.and_wildcards().flat_map(|host| {
            [EgressNamespace::Any, place(narrow)].map(|namespace| first.get(&(namespace, host.clone())))
        });
        if let Some(wide) = wider.find_map(|wide| wide.filter(|wide| **wide != index)) {
            at.info_hint(
                Reason::Duplicate,
                format!("`{}` is imported with `{}` already", written(narrow), written(&hosts[*wide])),
                "leave it out",
            );
        }
    }
}

/// Reads `namespace/dnsName`; where it is `excluded`, without the `~` before it.
fn parse_egress_host(text: &str, excluded: bool, at: &At<'_>) -> Option<EgressHost> {
    let Some((namespace, host)) = text.split_once('/') else {
        let hint = match excluded {
            true => format!("write `~/{text}`, or `~./{text}` for this namespace"),
            false => format!("write `*/{text}`, or `./{text}` for this namespace"),
        };
        at.error_hint(Reason::InvalidValue, format!("`{text}` has no namespace"), hint);
        return None;
    };
    let namespace = match namespace {
        "" if excluded => EgressNamespace::Any,
        "*" => EgressNamespace::Any,
        "." => EgressNamespace::Own,
        "" => {
            at.error_hint(
                Reason::InvalidValue,
                format!("`{text}` has no namespace"),
                "write `*` or `.` before the slash",
            );
            return None;
        }
        name => {
            if let Some(fault) = label_fault(name) {
                at.warning_hint(
                    Reason::Unreachable,
                    format!("no namespace can be called `{name}`, so nothing is meant: {fault}"),
                    "write a namespace's name, `*` for all or `.` for this one",
                );
            }
            EgressNamespace::Named(name.into())
        }
    };
    Some(EgressHost { namespace, host: parse_host(host, at)? })
}

fn parse_outbound(policy: api::OutboundTrafficPolicy, at: &At<'_>) -> (OutboundPolicy, Option<Destination>) {
    let api::OutboundTrafficPolicy { mode, egress_proxy } = policy;
    // Protobuf's zero value: a policy without mode says REGISTRY_ONLY.
    let policy = match mode {
        None | Some(api::OutboundTrafficMode::RegistryOnly) => OutboundPolicy::RegistryOnly,
        Some(api::OutboundTrafficMode::AllowAny) => OutboundPolicy::AllowAny,
        Some(api::OutboundTrafficMode::AllowAnyDynamicDns) => OutboundPolicy::AllowAnyDynamicDns,
    };
    let at = at.field("egressProxy");
    let Some(proxy) = egress_proxy else { return (policy, None) };
    if policy != OutboundPolicy::AllowAny {
        at.error_hint(
            Reason::Conflict,
            "nothing goes to a proxy where unknown destinations are not reached",
            "write `mode: ALLOW_ANY`, or leave `egressProxy` out",
        );
        return (policy, None);
    }
    if proxy.port.as_ref().and_then(|port| port.number).is_none() {
        at.field("port").error_hint(
            Reason::Required,
            "which port of the proxy? Without one it is not used",
            "write `port: {number: ..}`",
        );
        return (policy, None);
    }
    (policy, parse_destination(proxy, &at))
}

/// The order means nothing here, but in Istio what is for all other ports stands last.
fn report_early(egress: &[api::EgressListener], at: &At<'_>) {
    let others = egress.split_last().map_or(egress, |(_, others)| others);
    let Some(index) = others.iter().position(|listener| listener.port.is_none()) else { return };
    if egress.iter().filter(|listener| listener.port.is_none()).count() == 1 {
        at.index(index).warning_hint(
            Reason::Conflict,
            "the entry without a port is not the last one, which Istio refuses; here it is for all other ports all the same",
            "move it to the end",
        );
    }
}

/// What is about one port or socket twice.
fn report_doubles(egress: &[SidecarEgress], at: &At<'_>) {
    let (mut ports, mut sockets) = (BTreeSet::new(), BTreeSet::new());
    let mut everything = HashMap::new();
    let tell = |at: &At<'_>, place: String| {
        let message = format!("{place} has a listener already; both have the same services");
        at.warning_hint(Reason::Duplicate, message, "merge the two entries");
    };
    for (index, SidecarEgress { listener, hosts, excluded: _ }) in egress.iter().enumerate() {
        let at = at.index(index);
        match listener {
            // What cannot be used has been told already.
            None if hosts.is_empty() => {}
            Some(SidecarListener { place: ListenerPlace::Port(port), protocol: _, is_proxy: _ }) => {
                // How connections get there makes no difference.
                let SidecarPort { number, at: SidecarAddress { bind, is_bound: _ } } = port;
                if !ports.insert((bind, number)) {
                    tell(&at.field("port"), format!("port {number}"));
                }
            }
            Some(SidecarListener { place: ListenerPlace::Unix(path), protocol: _, is_proxy: _ }) => {
                if !sockets.insert(path) {
                    tell(&at.field("bind"), format!("the socket {path}"));
                }
            }
            None | Some(SidecarListener { place: ListenerPlace::Each(_), protocol: _, is_proxy: _ }) => {
                if let Some(first) = everything.insert(listener.as_ref(), index) {
                    let message = format!("egress[{first}] has no port either; they count as one");
                    at.warning_hint(Reason::Duplicate, message, "list all hosts in one of them");
                }
            }
        }
    }
}
