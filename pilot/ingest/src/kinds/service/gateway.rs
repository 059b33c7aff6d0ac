//! A Service that is the gateway of a network: Istio's label `topology.istio.io/network` says of which.
//!
//! In: its labels, external addresses and status. Out: where clients in other networks get in. The addresses are those of its load balancer; names are
//! not looked up.

use crate::{at::At, meta::Meta};
use mesh_model::{NETWORK_LABEL, NetworkGateway, Problem, Reason, Severity, Str};
use serde_json::Value;
use std::{collections::BTreeSet, net::IpAddr};

/// Which of its ports takes what comes from other networks.
const PORT_LABEL: &str = "networking.istio.io/gatewayPort";
/// Istio's.
const USUAL_PORT: u16 = 15443;

/// The gateways of a network that one Service tells of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceGateway {
    /// The network.
    pub network: Str,
    /// Sorted, each once.
    pub gateways: Vec<NetworkGateway>,
}

/// What the object says of that; `None`: it is no gateway.
pub(super) fn parse_gateway(
    meta: &Meta,
    external: &[String],
    value: &Value,
    at: &At<'_>,
) -> Option<ServiceGateway> {
    let network = meta.labels.get(NETWORK_LABEL).filter(|network| !network.is_empty())?.clone();
    let at_metadata = at.field("metadata");
    let at_labels = at_metadata.field("labels");
    let port = meta.labels.get(PORT_LABEL).map_or(USUAL_PORT, |text| {
        text.parse().ok().filter(|port| *port > 0).unwrap_or_else(|| {
            let message = format!("`{text}` is not a port; {USUAL_PORT} is used");
            at_labels.field(PORT_LABEL).error_hint(
                Reason::InvalidValue,
                message,
                "write a number from 1 to 65535, in quotes",
            );
            USUAL_PORT
        })
    });
    let ingress = value.pointer("/status/loadBalancer/ingress").and_then(Value::as_array);
    let ingress = || ingress.into_iter().flatten();
    let text = |entry: &Value, key: &str| entry.get(key).and_then(Value::as_str).map(str::to_owned);
    let balanced = ingress().filter_map(|entry| text(entry, "ip"));
    let addresses: BTreeSet<IpAddr> =
        balanced.chain(external.iter().cloned()).filter_map(|address| address.parse().ok()).collect();
    if let Some(name) = ingress().find_map(|entry| text(entry, "hostname")).filter(|_| addresses.is_empty()) {
        at_labels.field(NETWORK_LABEL).warning_hint(
            Reason::NotSupported,
            format!("its load balancer has the name `{name}`, and names of gateways are not looked up"),
            "write the load balancer's addresses as gateways of the network in meshNetworks",
        );
    } else if addresses.is_empty() {
        let message =
            format!("nobody has given it an address at which network `{network}` is reached from others");
        let path = at_labels.field(NETWORK_LABEL).path();
        at.report(
            Problem::new(Severity::Info, Reason::Required, path, message)
                .hint("make it of type LoadBalancer"),
        );
    }
    let gateways = addresses.into_iter().map(|address| NetworkGateway { address, port }).collect();
    Some(ServiceGateway { network, gateways })
}
