//! `endpoints` of a ServiceEntry, and a WorkloadEntry's spec, which is the same.

use crate::{
    at::At,
    kinds::parse_locality_label,
    values::{SOCKET, check_labels, parse_dns_name, parse_port, parse_socket, shared_labels},
};
use mesh_api::networking::workload_entry::WorkloadEntrySpec;
use mesh_model::{
    EndpointAddress, Health, Labels, Locality, MeshConfig, NETWORK_LABEL, Reason, Resolution, Str,
};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// One of `endpoints`; also what a WorkloadEntry says.
#[derive(Debug, Clone, PartialEq)]
pub struct InlineEndpoint {
    /// Where it is.
    pub address: EndpointAddress,
    /// Its port for a port name of the service.
    pub ports: BTreeMap<Str, u16>,
    /// `labels`.
    pub labels: Arc<Labels>,
    /// `network`.
    pub network: Str,
    /// `locality`, or what its labels say of it.
    pub locality: Locality,
    /// `weight`, at least 1.
    pub weight: u32,
    /// `serviceAccount`.
    pub service_account: Str,
    /// Whether it may be sent requests: what a WorkloadEntry's status says.
    pub health: Health,
}

impl InlineEndpoint {
    /// Its network: what it says, or its label, or else where it is. `ours`: it is not outside the mesh.
    pub fn network_in(&self, config: &MeshConfig, ours: bool) -> Str {
        let address = match self.address {
            EndpointAddress::Ip(address) => Some(address),
            EndpointAddress::Name(_) | EndpointAddress::Unix(_) | EndpointAddress::BehindGateway => None,
        };
        let label = || self.labels.get(NETWORK_LABEL).cloned().unwrap_or_default();
        let said = if self.network.is_empty() { label() } else { self.network.clone() };
        config.network_of(&said, address, ours)
    }
}

/// What an endpoint is besides where it is; also the template of a WorkloadGroup.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // The fields are those of `InlineEndpoint`.
pub struct EndpointTemplate {
    pub ports: BTreeMap<Str, u16>,
    pub labels: Arc<Labels>,
    pub network: Str,
    pub locality: Locality,
    pub weight: u32,
    pub service_account: Str,
}

/// Reads an endpoint. Without `resolution` (a WorkloadEntry of its own) any kind of address is allowed.
pub fn parse_endpoint(
    endpoint: WorkloadEntrySpec,
    resolution: Option<&Resolution>,
    at: &At<'_>,
) -> Option<InlineEndpoint> {
    let at_address = at.field("address");
    let network = endpoint.network.as_deref().unwrap_or_default();
    let address = match endpoint.address.as_deref().unwrap_or_default() {
        "" if !network.is_empty() => EndpointAddress::BehindGateway,
        text => parse_endpoint_address(text, resolution, &at_address)?,
    };
    if matches!(address, EndpointAddress::Unix(_)) && !endpoint.ports.is_empty() {
        at.field("ports").error_hint(
            Reason::Conflict,
            "a Unix domain socket has no ports",
            "leave `ports` out",
        );
    }
    let EndpointTemplate { ports, labels, network, locality, weight, service_account } =
        parse_template(endpoint, at)?;
    Some(InlineEndpoint {
        address,
        ports,
        labels,
        network,
        locality,
        weight,
        service_account,
        health: Health::Healthy,
    })
}

/// Reads all of an endpoint but its address.
pub fn parse_template(endpoint: WorkloadEntrySpec, at: &At<'_>) -> Option<EndpointTemplate> {
    let WorkloadEntrySpec { address: _, ports, labels, network, locality, weight, service_account } =
        endpoint;
    let at_ports = at.field("ports");
    check_labels(&labels, &at.field("labels"));
    // A port that cannot be read must not fall back to another one.
    let ports: Option<BTreeMap<Str, u16>> = ports
        .iter()
        .map(|(name, number)| Some((Str::from(name.as_str()), parse_port(*number, &at_ports.field(name))?)))
        .collect();
    let ports = ports?;
    let weight = match weight {
        // Envoy has no weight of zero; Istio reads it as "not set".
        None | Some(0) => 1,
        Some(weight) => weight,
    };
    let labels = shared_labels(&labels);
    let locality = match locality.as_deref() {
        None | Some("") => parse_locality_label(&labels).unwrap_or_default(),
        Some(text) => Locality::parse(text),
    };
    Some(EndpointTemplate {
        ports,
        labels,
        network: network.unwrap_or_default().into(),
        locality,
        weight,
        service_account: service_account.unwrap_or_default().into(),
    })
}

fn parse_endpoint_address(
    text: &str,
    resolution: Option<&Resolution>,
    at: &At<'_>,
) -> Option<EndpointAddress> {
    let by_name = !matches!(resolution, Some(Resolution::Static));
    if text.is_empty() {
        at.error_hint(
            Reason::Required,
            "there is neither an address nor a network to use the gateway of",
            "write an address such as 10.1.2.3 or db.example.com",
        );
        return None;
    }
    if text.starts_with(SOCKET) {
        let path = parse_socket(text, at)?;
        if resolution.is_some_and(|resolution| *resolution != Resolution::Static) {
            at.error_hint(
                Reason::Conflict,
                format!("`{text}` is not a name to resolve"),
                "set `resolution: STATIC`",
            );
            return None;
        }
        return Some(EndpointAddress::Unix(path));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(EndpointAddress::Ip(address));
    }
    if !by_name {
        at.error_hint(
            Reason::InvalidValue,
            format!("`{text}` is not an IP address"),
            "set `resolution: DNS` to have names resolved",
        );
        return None;
    }
    parse_dns_name(text, at).map(EndpointAddress::Name)
}
