//! ServiceEntry.

mod allocated;
mod dynamic;
mod endpoint;
mod hosts;
mod ports;

pub use endpoint::{EndpointTemplate, InlineEndpoint, parse_endpoint, parse_template};

use self::ports::ToldApart;
use super::{
    Model,
    distribution::{TRAFFIC_DISTRIBUTION, parse_distribution},
};
use crate::{
    at::At,
    decode::decode_spec,
    meta::Meta,
    values::{parse_export_to, parse_range, parse_selector},
};
use mesh_api::networking::service_entry as api;
use mesh_model::{
    Cidr, EndpointAddress, ExportTo, Host, Labels, LocalityLb, Reason, Registry, Resolution, Service,
    ServicePort, Str, Vip,
};
use serde_json::Value;
use std::{net::IpAddr, sync::Arc};

/// A ServiceEntry: a service for each of its hosts, and where their endpoints come from.
#[derive(Debug, Clone, PartialEq)]
pub struct ServiceEntry {
    /// One service a host, alike in everything else.
    pub services: Vec<Arc<Service>>,
    /// `endpoints`.
    pub endpoints: Vec<InlineEndpoint>,
    /// The object's own labels.
    pub labels: Arc<Labels>,
}

/// Reads one object.
pub fn parse(meta: Meta, value: &Value, at: &At<'_>) -> Option<Model> {
    let api::ServiceEntrySpec {
        hosts,
        addresses,
        ports,
        location,
        resolution,
        endpoints,
        workload_selector,
        export_to,
        subject_alt_names,
    } = decode_spec(value, at)?;
    let at_annotations = at.field("metadata");
    let at_annotations = at_annotations.field("annotations");
    let distribution = meta
        .annotation(TRAFFIC_DISTRIBUTION)
        .and_then(|text| parse_distribution(text, &at_annotations.field(TRAFFIC_DISTRIBUTION)));
    let at = at.field("spec");
    let subject_alt_names = subject_alt_names.iter().map(|name| Str::from(name.as_str())).collect();
    let resolution = parse_resolution(resolution);
    let selector = workload_selector
        .map(|selector| parse_selector(&selector.labels, &at.field("workloadSelector").field("labels")));
    if selector.is_some() && resolution == Resolution::Passthrough {
        at.field("workloadSelector").warning_hint(
            Reason::Conflict,
            "with resolution NONE clients go where they called, and what is selected is never used; Istio warns of it",
            "set `resolution: STATIC`, or leave the selector out",
        );
    }
    if selector.is_some() && !endpoints.is_empty() {
        at.error_hint(
            Reason::Conflict,
            "`endpoints` and `workloadSelector` exclude each other",
            "leave one of the two out",
        );
        return None;
    }
    if resolution == Resolution::Passthrough && !endpoints.is_empty() {
        at.field("endpoints").error_hint(
            Reason::Conflict,
            "with resolution NONE the endpoints are never used",
            "set `resolution: STATIC` for IP addresses or `resolution: DNS` for names",
        );
        return None;
    }
    let external = match location {
        None | Some(api::Location::MeshExternal) => true,
        Some(api::Location::MeshInternal) => false,
    };
    if resolution == Resolution::DynamicDns {
        dynamic::check(external, !endpoints.is_empty() || selector.is_some(), &at)?;
    }
    let hosts = hosts::parse_hosts(
        &hosts,
        &resolution,
        !endpoints.is_empty() || selector.is_some(),
        &at.field("hosts"),
    );
    let allocated = allocated::parse(value, addresses.is_empty() && allocated::is_wanted(&meta, &resolution));
    let vips = parse_addresses(&addresses, &resolution, &at.field("addresses"));
    let says_ports = !ports.is_empty();
    let mut ports = ports::parse_ports(ports, &at.field("ports"));
    if resolution == Resolution::DynamicDns {
        ports.retain_mut(|port| dynamic::takes(port, &at.field("ports")));
    }
    if hosts.is_empty() || (ports.is_empty() && says_ports) {
        return None;
    }
    let at_endpoints = at.field("endpoints");
    if resolution == Resolution::Static && endpoints.is_empty() && selector.is_none() {
        at_endpoints.warning_hint(
            Reason::Required,
            "there are no endpoints, so what is sent to these hosts fails",
            "write them, as in `endpoints: [{address: 10.1.2.3}]`, or `workloadSelector`, or `resolution: DNS`",
        );
    }
    let told = match resolution {
        // What is called is what is reached.
        Resolution::Passthrough => None,
        _ if !endpoints.is_empty() || selector.is_some() => Some(ToldApart::NeedNot),
        _ if allocated.is_some() => Some(ToldApart::ByAddress),
        _ => Some(ToldApart::Not),
    };
    if let Some(told) = told {
        ports::check_hosts(&hosts, &ports, told, &at.field("hosts"));
    }
    if resolution == Resolution::DnsRoundRobin && endpoints.len() > 1 {
        at_endpoints.error_hint(
            Reason::Conflict,
            "DNS_ROUND_ROBIN resolves one name, so only the first endpoint is used; DNS takes several",
            "write `resolution: DNS`, or leave the other endpoints out",
        );
    }
    let only_first = if resolution == Resolution::DnsRoundRobin { 1 } else { usize::MAX };
    let endpoints = endpoints
        .into_iter()
        .take(only_first)
        .enumerate()
        .filter_map(|(index, endpoint)| {
            let at = at_endpoints.index(index);
            let endpoint = parse_endpoint(endpoint, Some(&resolution), &at)?;
            if matches!(endpoint.address, EndpointAddress::Unix(_)) && ports.len() > 1 {
                at.field("address").warning_hint(
                    Reason::Conflict,
                    format!("all {} ports lead to this one socket; Istio refuses this", ports.len()),
                    "write a ServiceEntry for each port, each with a socket of its own",
                );
            }
            let at_ports = at.field("ports");
            for name in endpoint.ports.keys().filter(|name| ports.iter().all(|port| port.name != **name)) {
                let known: Vec<&str> = ports.iter().map(|port| &*port.name).collect();
                at_ports.field(name).warning_hint(
                    Reason::NotFound,
                    format!("no port of this ServiceEntry is called `{name}`, so this is not used"),
                    format!("its ports are {}", known.join(", ")),
                );
            }
            Some(endpoint)
        })
        .collect();
    if let [only] = &export_to[..]
        && only == "~"
    {
        at.field("exportTo").index(0).info_hint(
            Reason::Unreachable,
            "no client sees these hosts: who calls them is not routed by this",
            "write `.` for this namespace, `*` for all, or leave `exportTo` out, if clients are to see them",
        );
    }
    let export_to = parse_export_to(&export_to, &at.field("exportTo"));
    let common = Common {
        meta,
        vips,
        allocated,
        ports,
        resolution,
        external,
        export_to,
        selector,
        subject_alt_names,
        distribution,
    };
    let services = hosts.into_iter().map(|host| Arc::new(common.service(host))).collect();
    let labels = common.meta.labels;
    Some(Model::ServiceEntry(Arc::new(ServiceEntry { services, endpoints, labels })))
}

/// What the services of all hosts have in common.
struct Common {
    meta: Meta,
    vips: Vec<Vip>,
    allocated: Option<Vec<(Host, IpAddr)>>,
    ports: Vec<ServicePort>,
    resolution: Resolution,
    external: bool,
    export_to: ExportTo,
    selector: Option<Labels>,
    subject_alt_names: Vec<Str>,
    distribution: Option<LocalityLb>,
}

impl Common {
    fn service(&self, host: Host) -> Service {
        let Self {
            meta,
            vips,
            allocated,
            ports,
            resolution,
            external,
            export_to,
            selector,
            subject_alt_names,
            distribution,
        } = self;
        let of_host = |all: &Vec<(Host, IpAddr)>| {
            all.iter().filter(|(other, _)| *other == host).map(|(_, address)| *address).collect()
        };
        // Nobody can be told the address of a name that nobody asks for.
        let allocated = allocated.as_ref().filter(|_| !host.is_wildcard()).map(of_host);
        Service {
            allocated,
            metadata: meta.metadata.clone(),
            host,
            registry: Registry::External,
            vips: vips.clone(),
            ports: ports.clone(),
            resolution: resolution.clone(),
            headless: false,
            external: *external,
            export_to: export_to.clone(),
            selector: selector.clone(),
            subject_alt_names: subject_alt_names.clone(),
            node_local: false,
            distribution: distribution.clone(),
            with: Vec::new(),
            accounts: Vec::new(),
        }
    }
}

fn parse_resolution(resolution: Option<api::Resolution>) -> Resolution {
    match resolution {
        None | Some(api::Resolution::None) => Resolution::Passthrough,
        Some(api::Resolution::Static) => Resolution::Static,
        Some(api::Resolution::Dns) => Resolution::Dns,
        Some(api::Resolution::DnsRoundRobin) => Resolution::DnsRoundRobin,
        Some(api::Resolution::DynamicDns) => Resolution::DynamicDns,
    }
}

fn parse_addresses(addresses: &[String], resolution: &Resolution, at: &At<'_>) -> Vec<Vip> {
    let mut vips = Vec::with_capacity(addresses.len());
    for (index, text) in addresses.iter().enumerate() {
        let at = at.index(index);
        let Some(range) = parse_range(text, &at) else { continue };
        let vip = match range {
            Cidr { address: IpAddr::V4(_), length: 32 } | Cidr { address: IpAddr::V6(_), length: 128 } => {
                Vip::Ip(range.address)
            }
            _ => Vip::Range(range),
        };
        let by_name =
            matches!(resolution, Resolution::Dns | Resolution::DnsRoundRobin | Resolution::DynamicDns);
        if matches!(vip, Vip::Range(_)) && by_name {
            at.error_hint(
                Reason::Conflict,
                format!("`{text}` is a range, which is allowed only with resolution NONE or STATIC"),
                "write single addresses, or `resolution: STATIC`",
            );
            continue;
        }
        if by_name && text.contains('/') {
            at.error_hint(
                Reason::Conflict,
                format!(
                    "`{text}` is written as a range, which Istio allows only with resolution NONE or STATIC"
                ),
                format!("write {}", range.address),
            );
        }
        if !vips.contains(&vip) {
            vips.push(vip);
        }
    }
    vips
}
