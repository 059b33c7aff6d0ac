//! Where a cluster leads: its policy and its endpoints.

use super::{
    Scene,
    answer::{Endpoints, Target},
    policy, security,
};
use crate::spec::{ClusterDiscovery, ClusterSpec, WeightedCluster};
use mesh_model::{Endpoint, EndpointAddress, Health, Host, Kind, Str};

/// Where `cluster` leads.
pub fn target(scene: &Scene<'_>, cluster: &WeightedCluster) -> Target {
    let mut target = Target {
        cluster: cluster.cluster.clone(),
        weight: cluster.weight,
        subset: "".into(),
        policy: Vec::new(),
        config: None,
        settings: Vec::new(),
        endpoints: Endpoints::Missing(String::new()),
    };
    match scene.clusters.get(&cluster.cluster) {
        Some(spec) => describe(scene, spec, &mut target),
        None => target.endpoints = Endpoints::Missing(why_missing(scene, &cluster.cluster)),
    }
    target
}

/// Where requests for unknown hosts go.
pub fn unknown(scene: &Scene<'_>, cluster: Str) -> Target {
    target(scene, &WeightedCluster { cluster, weight: 1, headers: Default::default() })
}

fn describe(scene: &Scene<'_>, spec: &ClusterSpec, target: &mut Target) {
    if let Some(service) = &spec.service {
        target.subset = service.subset.clone();
    }
    let rules = spec.origins.iter().filter(|object| object.kind == Kind::DestinationRule);
    target.policy = rules.map(|object| scene.located(object)).collect();
    target.config = spec.config.clone();
    target.settings = policy::lines(spec);
    target.settings.extend(security::client(spec));
    target.endpoints = match &spec.discovery {
        ClusterDiscovery::Eds => {
            let endpoints = scene.endpoints.get(&spec.name).map(|all| &**all).unwrap_or_default();
            target.settings.extend(security::servers(scene.mesh(), spec, endpoints));
            Endpoints::Known(endpoints.iter().map(|endpoint| shown(spec, endpoint)).collect())
        }
        ClusterDiscovery::StrictDns { endpoints, preference: _, refresh: _ }
        | ClusterDiscovery::LogicalDns { endpoints, refresh: _ } => {
            Endpoints::Resolved(endpoints.iter().map(|endpoint| shown(spec, endpoint)).collect())
        }
        ClusterDiscovery::Dynamic(_) => Endpoints::Named,
        ClusterDiscovery::OriginalDst { port: _, sources: _ } => Endpoints::Original,
        ClusterDiscovery::Static { address, port, source: _ } => Endpoints::Known(vec![match address {
            EndpointAddress::Ip(address) => format!("{address}:{port}"),
            EndpointAddress::Name(name) => format!("{name}:{port}"),
            EndpointAddress::Unix(path) => path.to_string(),
            EndpointAddress::BehindGateway => "behind a gateway".to_owned(),
        }]),
        ClusterDiscovery::Nowhere => Endpoints::Known(Vec::new()),
    };
}

fn shown(spec: &ClusterSpec, endpoint: &Endpoint) -> String {
    let address = match &endpoint.address {
        EndpointAddress::Ip(address @ std::net::IpAddr::V6(_)) => format!("[{address}]:{}", endpoint.port),
        EndpointAddress::Ip(address) => format!("{address}:{}", endpoint.port),
        EndpointAddress::Name(name) => format!("{name}:{}", endpoint.port),
        EndpointAddress::Unix(path) => path.to_string(),
        EndpointAddress::BehindGateway => "behind a gateway".to_owned(),
    };
    let workload = match endpoint.workload.is_empty() {
        true => String::new(),
        false => format!(" {}.{}", endpoint.workload, endpoint.namespace),
    };
    let health = if endpoint.health == Health::Healthy { "" } else { " (not ready)" };
    let security = if security::is_mutual(spec, endpoint) { " over mTLS" } else { "" };
    format!("{address}{workload}{security}{health}")
}

/// Why there is no cluster of this name: `outbound|PORT|SUBSET|HOST`.
fn why_missing(scene: &Scene<'_>, name: &str) -> String {
    let mut parts = name.splitn(4, '|').skip(1);
    let (port, subset, host) =
        (parts.next().unwrap_or_default(), parts.next(), parts.next().unwrap_or_default());
    let scope = scene.scope();
    let host = Host::new(host);
    let Some(service) = scope.destination(&host) else {
        return match scene.mesh().services_of_host(&host).is_empty() {
            true => format!("there is no service {host}"),
            false => {
                format!("the service {host} is not seen from here: look at its exportTo, and at the Sidecar")
            }
        };
    };
    let ports: Vec<String> = service.ports.iter().map(|port| port.number.to_string()).collect();
    if !ports.iter().any(|known| *known == port) {
        return format!("{host} has no port {port}, only {}", ports.join(", "));
    }
    format!("no DestinationRule that applies here has a subset `{}` of {host}", subset.unwrap_or_default())
}
