//! `meshNetworks`: the key beside the mesh settings that says which networks there are, and through which gateways they are reached.
//!
//! In: its text. Out: the networks, sorted by name, each gateway once.

use super::schema;
use crate::{
    at::At,
    document,
    values::{parse_port, parse_range},
};
use mesh_model::{Network, NetworkGateway, Problem, Reason};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr};

/// How many gateways of one network count.
pub const MOST: usize = 64;

/// The text.
#[derive(Deserialize, JsonSchema)]
pub struct MeshNetworks {
    /// By their names.
    #[serde(default)]
    networks: BTreeMap<String, Option<ApiNetwork>>,
}

#[derive(Default, Deserialize, JsonSchema)]
struct ApiNetwork {
    #[serde(default)]
    endpoints: Vec<ApiEndpoints>,
    #[serde(default)]
    gateways: Vec<ApiGateway>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ApiEndpoints {
    from_cidr: Option<String>,
    from_registry: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ApiGateway {
    address: Option<String>,
    registry_service_name: Option<String>,
    port: Option<i64>,
    locality: Option<String>,
}

/// Reads the text. `None` with a problem reported: it is no such thing.
pub fn parse(text: &str, at: &At<'_>) -> Option<Vec<Network>> {
    let value = match document::parse_text(text) {
        // An empty text is no networks, and fine.
        Ok(Value::Null) => return Some(Vec::new()),
        Ok(value) => value,
        Err(problem) => {
            at.report(Problem { path: at.path(), ..problem });
            return None;
        }
    };
    let MeshNetworks { networks } = schema::read(&value, schema::networks(), "meshNetworks", at)?;
    let at = at.field("networks");
    let parse = |(name, network): (String, Option<ApiNetwork>)| {
        parse_network(&name, network.unwrap_or_default(), &at.field(&name))
    };
    Some(networks.into_iter().map(parse).collect())
}

fn parse_network(name: &str, network: ApiNetwork, at: &At<'_>) -> Network {
    let ApiNetwork { endpoints, gateways } = network;
    let mut ranges = Vec::new();
    let at_endpoints = at.field("endpoints");
    for (index, ApiEndpoints { from_cidr, from_registry }) in endpoints.into_iter().enumerate() {
        let at = at_endpoints.index(index);
        if from_registry.is_some() {
            at.field("fromRegistry").warning_hint(
                Reason::NotSupported,
                "Meltemi reads one cluster, and knows no others by their names",
                "label the root namespace with topology.istio.io/network to say which network this cluster is",
            );
        }
        ranges.extend(from_cidr.and_then(|range| parse_range(&range, &at.field("fromCidr"))));
    }
    let at_gateways = at.field("gateways");
    let parse = |(index, gateway)| parse_gateway(gateway, &at_gateways.index(index));
    let mut gateways: Vec<_> = gateways.into_iter().enumerate().filter_map(parse).collect();
    gateways.sort();
    gateways.dedup();
    if gateways.len() > MOST {
        at_gateways.warning_hint(
            Reason::InvalidValue,
            format!("only {MOST} of them count"),
            "leave the others out: clients take turns between those that count",
        );
        gateways.truncate(MOST);
    }
    Network { name: name.into(), ranges, gateways }
}

fn parse_gateway(gateway: ApiGateway, at: &At<'_>) -> Option<NetworkGateway> {
    let ApiGateway { address, registry_service_name, port, locality } = gateway;
    at.not_supported("locality", locality.is_some());
    let Some(port) = port else {
        at.field("port").error_hint(
            Reason::Required,
            "there is no port",
            "write the port that the gateway listens on for other networks, mostly 15443",
        );
        return None;
    };
    let port = parse_port(port, &at.field("port"));
    let address = match (address, registry_service_name) {
        (Some(address), _) => match address.parse::<IpAddr>() {
            Ok(address) => Some(address),
            Err(_) => {
                at.field("address").error_hint(
                    Reason::NotSupported,
                    format!("`{address}` is not an IP address, and names of gateways are not looked up"),
                    "write the addresses of the gateway's load balancer",
                );
                None
            }
        },
        (None, Some(_)) => {
            at.field("registryServiceName").error_hint(
                Reason::NotSupported,
                "the service of another network's gateway is in another cluster, of which Meltemi reads nothing",
                "write its `address`",
            );
            None
        }
        (None, None) => {
            at.field("address").error_hint(
                Reason::Required,
                "there is no address",
                "write the address at which other networks reach the gateway",
            );
            None
        }
    };
    Some(NetworkGateway { address: address?, port: port? })
}
