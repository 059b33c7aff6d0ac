//! Endpoints in other networks: what clients call instead of them.
//!
//! In: the endpoints of a cluster, and the network of the clients. Out: those that are called directly, and one for each gateway that leads to
//! others, with the weight of these.

use mesh_model::{Endpoint, EndpointAddress, Health, Labels, Locality, MeshConfig, NetworkGateway, Str, Way};
use std::{collections::BTreeMap, sync::Arc};

/// What is behind a gateway.
struct Behind<'a> {
    network: &'a Str,
    /// Of those that may be called.
    weight: u64,
    healthy: bool,
    locality: Locality,
}

/// `endpoints` as clients in `network` reach them. Gateways pass on mTLS alone: `is_mutual` says whether an endpoint is called by that.
pub fn reached(
    config: &MeshConfig,
    network: &str,
    endpoints: Arc<[Endpoint]>,
    is_mutual: impl Fn(&Endpoint) -> bool,
) -> Arc<[Endpoint]> {
    let is_direct = |endpoint: &Endpoint| config.way_to(endpoint, network) == Way::Direct;
    if endpoints.iter().all(is_direct) {
        return endpoints;
    }
    // Shares have to be whole: each weight is multiplied by what all numbers of gateways divide.
    let scale = endpoints.iter().fold(1, |scale, endpoint| match config.way_to(endpoint, network) {
        Way::Gateways(gateways) => common_multiple(scale, gateways.len() as u64),
        Way::Direct | Way::Nowhere => scale,
    });
    let mut reached = Vec::new();
    let mut behind: BTreeMap<NetworkGateway, Behind<'_>> = BTreeMap::new();
    for endpoint in &*endpoints {
        let gateways = match config.way_to(endpoint, network) {
            Way::Direct => {
                let weight = bounded(u64::from(endpoint.weight) * scale);
                reached.push(Endpoint { weight, ..endpoint.clone() });
                continue;
            }
            Way::Gateways(gateways) if is_mutual(endpoint) => gateways,
            Way::Gateways(_) | Way::Nowhere => continue,
        };
        let healthy = endpoint.health == Health::Healthy;
        let share = match healthy {
            true => u64::from(endpoint.weight) * scale / gateways.len() as u64,
            false => 0,
        };
        for gateway in gateways {
            let locality = || endpoint.locality.clone();
            let behind = behind.entry(*gateway).or_insert_with(|| Behind {
                network: &endpoint.network,
                weight: 0,
                healthy: false,
                locality: locality(),
            });
            behind.weight += share;
            behind.healthy |= healthy;
            behind.locality = common(&behind.locality, &endpoint.locality);
        }
    }
    reached.extend(behind.iter().map(|(gateway, behind)| through(gateway, behind)));
    reached.sort();
    reached.into()
}

fn through(gateway: &NetworkGateway, behind: &Behind<'_>) -> Endpoint {
    let NetworkGateway { address, port } = *gateway;
    let Behind { network, weight, healthy, locality } = behind;
    Endpoint {
        address: EndpointAddress::Ip(address),
        port,
        weight: bounded(*weight),
        health: if *healthy { Health::Healthy } else { Health::Unhealthy },
        locality: locality.clone(),
        labels: Arc::<Labels>::default(),
        service_account: Str::default(),
        workload: Str::default(),
        namespace: Str::default(),
        network: (*network).clone(),
        node: Str::default(),
        hostname: Str::default(),
        mtls: true,
    }
}

/// What both are in. A gateway is one endpoint, in one place.
fn common(left: &Locality, right: &Locality) -> Locality {
    let Locality { region, zone, sub_zone } = left;
    if *region != right.region {
        return Locality::default();
    }
    let zone = if *zone == right.zone { zone.clone() } else { Str::default() };
    let sub_zone = if !zone.is_empty() && *sub_zone == right.sub_zone { sub_zone } else { &Str::default() };
    Locality { region: region.clone(), zone, sub_zone: sub_zone.clone() }
}

fn bounded(weight: u64) -> u32 {
    u32::try_from(weight).unwrap_or(u32::MAX).max(1)
}

/// The least, up to a million: beyond that shares are rounded.
fn common_multiple(left: u64, right: u64) -> u64 {
    let (mut divisor, mut rest) = (left, right);
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    let multiple = left / divisor.max(1) * right;
    if multiple > 1_000_000 { left } else { multiple }
}
