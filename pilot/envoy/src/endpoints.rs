//! Endpoints. In: an [`EndpointsSpec`]. Out: `envoy.config.endpoint.v3.ClusterLoadAssignment`, grouped by locality.

mod metadata;

use crate::address::endpoint_address;
use crate::envoy::{core, endpoint};
use crate::value::uint32;
use mesh_model::{Endpoint, EndpointAddress, Health, Locality};
use pilot_view::spec::{EndpointsSpec, Preference};
use std::collections::BTreeMap;

/// The load assignment that the spec describes.
pub fn build_endpoints(spec: &EndpointsSpec) -> endpoint::ClusterLoadAssignment {
    let EndpointsSpec { cluster, endpoints, preference } = spec;
    endpoint::ClusterLoadAssignment {
        cluster_name: cluster.to_string(),
        // Envoy resolves no names in what it is sent over EDS: it would refuse the good endpoints with the bad one.
        endpoints: build_localities(endpoints, preference, has_address),
        ..Default::default()
    }
}

fn has_address(endpoint: &Endpoint) -> bool {
    match endpoint.address {
        EndpointAddress::Ip(_) | EndpointAddress::Unix(_) => true,
        EndpointAddress::Name(_) | EndpointAddress::BehindGateway => false,
    }
}

/// The endpoints that are `usable`, by locality and priority, in order. The weight of a locality is that of all its endpoints,
/// unless it has a share; where there are shares, localities without one are left out.
pub(crate) fn build_localities(
    endpoints: &[Endpoint],
    preference: &Preference,
    usable: impl Fn(&Endpoint) -> bool,
) -> Vec<endpoint::LocalityLbEndpoints> {
    let mut localities: BTreeMap<(&Locality, u32), Vec<&Endpoint>> = BTreeMap::new();
    for (index, endpoint) in endpoints.iter().enumerate().filter(|(_, endpoint)| usable(endpoint)) {
        let priority = match preference {
            Preference::Priorities(priorities) => priorities.get(index).copied().unwrap_or_default(),
            Preference::None | Preference::Shares(_) => 0,
        };
        localities.entry((&endpoint.locality, priority)).or_default().push(endpoint);
    }
    let build = |((locality, priority), endpoints): ((&Locality, u32), Vec<&Endpoint>)| {
        let sum = || endpoints.iter().fold(0_u32, |sum, endpoint| sum.saturating_add(weight(endpoint)));
        let weight = match preference {
            Preference::None | Preference::Priorities(_) => sum(),
            Preference::Shares(shares) => shares.iter().find(|(place, _)| place == locality)?.1.max(1),
        };
        Some(build_locality(locality, priority, weight, &endpoints))
    };
    localities.into_iter().filter_map(build).collect()
}

fn build_locality(
    locality: &Locality,
    priority: u32,
    weight: u32,
    endpoints: &[&Endpoint],
) -> endpoint::LocalityLbEndpoints {
    let Locality { region, zone, sub_zone } = locality;
    endpoint::LocalityLbEndpoints {
        locality: Some(core::Locality {
            region: region.to_string(),
            zone: zone.to_string(),
            sub_zone: sub_zone.to_string(),
        }),
        lb_endpoints: endpoints.iter().map(|endpoint| build_endpoint(endpoint)).collect(),
        load_balancing_weight: uint32(weight),
        priority,
        ..Default::default()
    }
}

fn build_endpoint(endpoint: &Endpoint) -> endpoint::LbEndpoint {
    let host = endpoint::Endpoint {
        address: Some(endpoint_address(&endpoint.address, endpoint.port)),
        ..Default::default()
    };
    let health = match endpoint.health {
        Health::Healthy => core::HealthStatus::Healthy,
        Health::Unhealthy => core::HealthStatus::Unhealthy,
        Health::Draining => core::HealthStatus::Draining,
    };
    endpoint::LbEndpoint {
        health_status: health as i32,
        metadata: metadata::build_metadata(endpoint),
        load_balancing_weight: uint32(weight(endpoint)),
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(host)),
    }
}

/// Envoy refuses a weight of zero.
fn weight(endpoint: &Endpoint) -> u32 {
    endpoint.weight.max(1)
}
