//! Kubernetes Service.

mod gateway;

use super::{
    Model,
    distribution::{TRAFFIC_DISTRIBUTION, parse_distribution},
};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_dns_name, parse_export_to, parse_port},
};
use k8s_openapi::{
    api::core::v1::{ServicePort as ApiPort, ServiceSpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use mesh_model::{
    Host, Problem, Protocol, Reason, Registry, Resolution, Service, ServicePort, Severity, Str, Vip,
};
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};

pub use gateway::ServiceGateway;

/// A Kubernetes Service and what it takes to find its endpoints.
#[derive(Debug, Clone, PartialEq)]
pub struct KubernetesService {
    /// What it means. Without addresses when none are given; in files one is allocated later.
    pub service: Arc<Service>,
    /// Pods that are not ready count as ready.
    pub publish_not_ready: bool,
    /// Written in a file, where nobody gives it an address or endpoints.
    pub from_file: bool,
    /// It is the gateway of a network.
    pub gateway: Option<ServiceGateway>,
}

impl KubernetesService {
    /// Whether it should have an address of its own and was given none.
    pub fn wants_address(&self) -> bool {
        let service = &self.service;
        self.from_file && !service.headless && service.alias_of().is_none() && service.vips.is_empty()
    }
}

const EXPORT_TO: &str = "networking.istio.io/exportTo";
/// Identities, from other trust domains for example, that may serve it besides its endpoints'.
const CANONICAL_SERVICE_ACCOUNTS: &str = "alpha.istio.io/canonical-serviceaccounts";
/// Service accounts of its namespace that may.
const KUBERNETES_SERVICE_ACCOUNTS: &str = "alpha.istio.io/kubernetes-serviceaccounts";

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let ServiceSpec {
        // How nodes and load balancers forward is no business of proxies.
        allocate_load_balancer_node_ports: _,
        external_traffic_policy: _,
        health_check_node_port: _,
        ip_families: _,
        ip_family_policy: _,
        load_balancer_class: _,
        load_balancer_ip: _,
        load_balancer_source_ranges: _,
        session_affinity_config: _,
        cluster_ip,
        cluster_ips,
        external_ips,
        external_name,
        internal_traffic_policy,
        ports,
        publish_not_ready_addresses,
        selector,
        session_affinity,
        traffic_distribution,
        type_,
    } = decode_spec(value, at)?;
    let from_file = meta.is_from_file();
    let at_annotations = at.field("metadata");
    let at_annotations = at_annotations.field("annotations");
    let by_annotation = meta
        .annotation(TRAFFIC_DISTRIBUTION)
        .and_then(|text| parse_distribution(text, &at_annotations.field(TRAFFIC_DISTRIBUTION)));
    let export_to = match meta.annotation(EXPORT_TO) {
        Some(text) => {
            let entries: Vec<String> = text.split(',').map(|entry| entry.trim().to_owned()).collect();
            parse_export_to(&entries, &at_annotations.field(EXPORT_TO))
        }
        None => mesh_model::ExportTo::Default,
    };
    let external_ips = external_ips.unwrap_or_default();
    let gateway = gateway::parse_gateway(&meta, &external_ips, value, at);
    let at = at.field("spec");
    let node_local = internal_traffic_policy.is_some_and(|policy| policy == "Local");
    let distribution = traffic_distribution
        .and_then(|text| parse_distribution(&text, &at.field("trafficDistribution")))
        .or(by_annotation);
    at.not_supported("sessionAffinity", session_affinity.is_some_and(|affinity| affinity != "None"));
    if !external_ips.is_empty() && gateway.is_none() {
        let message = "proxies do not listen on external IPs; requests to them pass through unrouted";
        let path = at.field("externalIPs").path();
        at.report(Problem::new(Severity::Info, Reason::NotSupported, path, message));
    }
    let is_name = type_.as_deref() == Some("ExternalName");
    let alias_of = match (is_name, external_name.unwrap_or_default()) {
        (false, _) => None,
        (true, name) => Some(parse_dns_name(&name, &at.field("externalName"))?),
    };
    let cluster_ips =
        cluster_ips.filter(|ips| !ips.is_empty()).unwrap_or_else(|| cluster_ip.into_iter().collect());
    let headless = !is_name && cluster_ips.first().is_some_and(|ip| ip == "None");
    let vips = if headless || is_name {
        Vec::new()
    } else {
        parse_cluster_ips(&cluster_ips, &at.field("clusterIPs"))
    };
    let at_ports = at.field("ports");
    let mut parsed = Vec::new();
    // Another name is called on the ports of what it names; its own are those on which VirtualServices for it count.
    for (index, port) in ports.unwrap_or_default().into_iter().enumerate() {
        if let Some(port) = parse_service_port(port, &parsed, &at_ports.index(index)) {
            // Of a number that is there for UDP, too, proxies carry the other one, whichever is written first.
            parsed.retain(|above| above.number != port.number);
            parsed.push(port);
        }
    }
    let name = &meta.metadata.object.name;
    let host = Host::new(&format!("{}.{}.svc.{}", name.name, name.namespace, at.domain()));
    let selector = selector.filter(|selector| !selector.is_empty() && !is_name);
    let listed = |annotation| {
        let names = meta.annotation(annotation).into_iter().flat_map(|text| text.split(','));
        names.map(str::trim).filter(|name| !name.is_empty()).map(Str::from).collect()
    };
    let service = Arc::new(Service {
        host,
        registry: Registry::Kubernetes,
        vips,
        allocated: None,
        with: Vec::new(),
        ports: parsed,
        resolution: match (alias_of, headless) {
            (Some(target), _) => Resolution::Alias(Host::new(&target)),
            (None, true) => Resolution::Passthrough,
            (None, false) => Resolution::Static,
        },
        headless,
        external: false,
        export_to,
        selector: selector.map(|selector| crate::values::parse_labels(&selector)),
        subject_alt_names: listed(CANONICAL_SERVICE_ACCOUNTS),
        accounts: listed(KUBERNETES_SERVICE_ACCOUNTS),
        node_local,
        distribution,
        metadata: meta.metadata,
    });
    let publish_not_ready = publish_not_ready_addresses.unwrap_or(false);
    Some(Model::Service(Arc::new(KubernetesService { service, publish_not_ready, from_file, gateway })))
}

fn parse_cluster_ips(ips: &[String], at: &At<'_>) -> Vec<Vip> {
    let mut vips = Vec::with_capacity(ips.len());
    for (index, text) in ips.iter().enumerate().filter(|(_, text)| !text.is_empty()) {
        match text.parse::<IpAddr>() {
            Ok(ip) if !vips.contains(&Vip::Ip(ip)) => vips.push(Vip::Ip(ip)),
            Ok(_) => {}
            Err(_) => at.index(index).error_hint(
                Reason::InvalidValue,
                format!("`{text}` is not an IP address"),
                "write an address such as 10.1.2.3, or None for a service without one",
            ),
        }
    }
    vips
}

fn parse_service_port(port: ApiPort, above: &[ServicePort], at: &At<'_>) -> Option<ServicePort> {
    // A node's port is reached from outside of the mesh.
    let ApiPort { app_protocol, name, node_port: _, port, protocol, target_port } = port;
    let number = parse_port(port, &at.field("port"))?;
    let name = name.unwrap_or_default();
    let transport = protocol.unwrap_or_default();
    let spoken = Protocol::select(app_protocol.as_deref(), &name, number, &transport);
    // The same number may be there once for TCP and once for UDP (DNS); proxies carry TCP.
    match above.iter().find(|other| other.number == number).map(|other| other.protocol) {
        None => {}
        Some(_) if spoken == Protocol::Udp => return None,
        Some(Protocol::Udp) => {}
        Some(_) => {
            at.error_hint(
                Reason::Duplicate,
                format!("there is another port {number} above; this one is left out"),
                "give each port a number of its own, or merge the two",
            );
            return None;
        }
    }
    let (target, target_name) = match target_port {
        None | Some(IntOrString::Int(0)) => (Some(number), Str::default()),
        Some(IntOrString::Int(target)) => {
            (Some(parse_port(target, &at.field("targetPort"))?), Str::default())
        }
        Some(IntOrString::String(text)) => match text.parse::<u16>() {
            Ok(target) if target > 0 => (Some(target), Str::default()),
            _ => (None, text.into()),
        },
    };
    Some(ServicePort { number, name: name.into(), protocol: spoken, target, target_name })
}
