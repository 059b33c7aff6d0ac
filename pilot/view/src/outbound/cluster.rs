//! Clusters of a service's port, one for all endpoints and one for each subset, and their endpoints.

use super::{
    HostView, ServiceContext, cluster_name,
    locality::{is_weighted, prefer},
};
use crate::{
    Capture,
    spec::{ClusterDiscovery, ClusterSpec, EndpointsSpec, Preference, ServiceRef, UpstreamProtocol},
    stat_name::{Subject, stat_name},
    well_known::pool,
};
use mesh_model::{
    ClusterPolicy, Endpoint, EndpointAddress, Health, LoadBalancer, LoadBalancing, Locality, NODE_LABEL,
    Protocol, Registry, Resolution, Service, ServicePort, SimpleLb, Str, Subset, UpgradePolicy,
};
use std::sync::Arc;

/// Adds the clusters of `port` to `view`.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    let all = context.scope.mesh.endpoints(context.service);
    let node = context.scope.key.labels.get(NODE_LABEL).map_or("", |node| &**node);
    let usable = |endpoint: &Endpoint| {
        endpoint.health != Health::Draining && (!context.service.node_local || *endpoint.node == *node)
    };
    let all: Arc<[Endpoint]> = match all.and_then(|endpoints| endpoints.ports.get(&port.number)) {
        Some(endpoints) if endpoints.iter().all(usable) => endpoints.clone(),
        Some(endpoints) => endpoints.iter().filter(|endpoint| usable(endpoint)).cloned().collect(),
        None => Arc::new([]),
    };
    one(context, port, None, all.clone(), view);
    for subset in context.rule.into_iter().flat_map(|rule| &rule.subsets) {
        let selected = |endpoint: &Endpoint| {
            subset.labels.iter().all(|(key, value)| endpoint.labels.get(key) == Some(value))
        };
        let endpoints = if all.iter().all(selected) {
            all.clone()
        } else {
            all.iter().filter(|e| selected(e)).cloned().collect()
        };
        one(context, port, Some(subset), endpoints, view);
    }
}

fn one(
    context: &ServiceContext<'_>,
    port: &ServicePort,
    subset: Option<&Subset>,
    endpoints: Arc<[Endpoint]>,
    view: &mut HostView,
) {
    let ServiceContext { scope, service, rule } = context;
    let subset_name: Str = subset.map(|subset| subset.name.clone()).unwrap_or_default();
    let name = cluster_name(port.number, &subset_name, &service.host);
    let policy = rule
        .map(|rule| rule.policy.for_port(subset.map(|subset| &subset.policy), port.number))
        .unwrap_or_default();
    let ClusterPolicy { load_balancer, connection_pool, outlier_detection, proxy_protocol, retry_budget } =
        policy;
    let config = scope.mesh.config();
    let defaults = &config.default_policy;
    let LoadBalancer { algorithm: load_balancing, warmup, locality } = load_balancer.unwrap_or_default();
    let connection_pool = pool(scope.mesh, connection_pool.or_else(|| defaults.connection_pool.clone()));
    // As in Istio: outlier detection by the mesh's default alone does not make near endpoints come first.
    let detects_outliers = outlier_detection.is_some();
    let outlier_detection = outlier_detection.or_else(|| defaults.outlier_detection.clone());
    let locality = locality.as_ref().or(service.distribution.as_ref()).unwrap_or(&config.locality);
    let preference = prefer(locality, &scope.key.labels, &endpoints, detects_outliers);
    let weighs_localities = is_weighted(locality, detects_outliers);
    let refresh = config.dns_refresh_rate;
    // Without redirection nobody asked for an address: what would go there is balanced over the endpoints, or goes to the name.
    let redirected = scope.key.capture == Capture::Redirect;
    let passthrough = load_balancing == LoadBalancing::Simple(SimpleLb::Passthrough);
    let load_balancing = if passthrough && !redirected { LoadBalancing::default() } else { load_balancing };
    let mut eds = |endpoints, preference| {
        view.endpoints.push(EndpointsSpec { cluster: name.clone(), endpoints, preference });
        ClusterDiscovery::Eds
    };
    let discovery = match service.resolution {
        Resolution::Passthrough if redirected => ClusterDiscovery::OriginalDst {
            port: port.target.filter(|target| *target != port.number),
            source: None,
        },
        _ if passthrough && redirected => ClusterDiscovery::OriginalDst { port: None, source: None },
        Resolution::Passthrough if service.registry == Registry::Kubernetes => eds(endpoints, preference),
        Resolution::Passthrough if service.host.is_wildcard() => ClusterDiscovery::Nowhere,
        Resolution::Passthrough => {
            let endpoints = Arc::new([named(service, port)]);
            ClusterDiscovery::StrictDns { endpoints, preference: Preference::None, refresh }
        }
        Resolution::Static => eds(endpoints, preference),
        Resolution::Dns if endpoints.is_empty() => ClusterDiscovery::Nowhere,
        Resolution::Dns => ClusterDiscovery::StrictDns { endpoints, preference, refresh },
        Resolution::DnsRoundRobin => match endpoints.first() {
            // Envoy takes exactly one name here.
            Some(first) => ClusterDiscovery::LogicalDns { endpoints: Arc::new([first.clone()]), refresh },
            None => ClusterDiscovery::Nowhere,
        },
        Resolution::Alias(_) => ClusterDiscovery::Nowhere,
    };
    let upgrades = match connection_pool.http.h2_upgrade {
        UpgradePolicy::Upgrade => true,
        UpgradePolicy::DoNotUpgrade => false,
        UpgradePolicy::Default => config.h2_upgrade,
    };
    let protocol = match port.protocol {
        Protocol::Auto => UpstreamProtocol::Downstream,
        protocol if protocol.is_http() && connection_pool.http.use_client_protocol => {
            UpstreamProtocol::Downstream
        }
        protocol if protocol.is_http2() => UpstreamProtocol::Http2,
        protocol if protocol.is_http() && upgrades => UpstreamProtocol::Http2,
        protocol if protocol.is_http() => UpstreamProtocol::Http1,
        _ => UpstreamProtocol::Tcp,
    };
    let subject = Subject { service, port, subset: &subset_name };
    view.clusters.push(ClusterSpec {
        name,
        stat_name: stat_name(&config.outbound_stat_name, subject),
        discovery,
        protocol,
        load_balancing,
        warmup,
        weighs_localities,
        connection_pool,
        outlier_detection,
        retry_budget,
        proxy_protocol,
        connect_timeout: config.connect_timeout,
        service: Some(ServiceRef {
            host: service.host.clone(),
            name: service.metadata.object.name.name.clone(),
            namespace: service.namespace().clone(),
            subset: subset_name,
            external: service.external,
        }),
        config: rule.map(|rule| rule.name.clone()),
        origins: context.origins(),
    });
}

/// The endpoint that is called as the service is.
fn named(service: &Service, port: &ServicePort) -> Endpoint {
    Endpoint {
        address: EndpointAddress::Name(service.host.to_shared()),
        port: port.target.unwrap_or(port.number),
        weight: 1,
        health: Health::Healthy,
        locality: Locality::default(),
        labels: Arc::default(),
        service_account: Str::default(),
        workload: Str::default(),
        namespace: service.namespace().clone(),
        network: Str::default(),
        node: Str::default(),
        mtls: false,
    }
}
