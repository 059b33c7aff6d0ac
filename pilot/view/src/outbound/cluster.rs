//! Clusters of a service's port, one for all endpoints and one for each subset, and their endpoints.

use super::{HostView, ServiceContext, cluster_name};
use crate::{
    Capture,
    spec::{ClusterDiscovery, ClusterSpec, EndpointsSpec, ServiceRef, UpstreamProtocol},
};
use mesh_model::{
    ClusterPolicy, Endpoint, Health, LoadBalancer, LoadBalancing, Protocol, Registry, Resolution,
    ServicePort, SimpleLb, Str, Subset, UpgradePolicy,
};
use std::sync::Arc;

/// Adds the clusters of `port` to `view`.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    let all = context.scope.mesh.endpoints(context.service);
    let all: Arc<[Endpoint]> = match all.and_then(|endpoints| endpoints.ports.get(&port.number)) {
        Some(endpoints) if endpoints.iter().all(|endpoint| endpoint.health != Health::Draining) => {
            endpoints.clone()
        }
        Some(endpoints) => {
            endpoints.iter().filter(|endpoint| endpoint.health != Health::Draining).cloned().collect()
        }
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
    let LoadBalancer { algorithm: load_balancing, warmup } = load_balancer.unwrap_or_default();
    let connection_pool = connection_pool.unwrap_or_default();
    let passthrough = load_balancing == LoadBalancing::Simple(SimpleLb::Passthrough);
    let refresh = scope.mesh.config().dns_refresh_rate;
    let redirected = scope.key.capture == Capture::Redirect;
    let discovery = match service.resolution {
        // Where nothing is redirected, no address was asked for: the endpoints are balanced over.
        Resolution::Passthrough if service.registry == Registry::Kubernetes && !redirected => {
            view.endpoints.push(EndpointsSpec { cluster: name.clone(), endpoints });
            ClusterDiscovery::Eds
        }
        Resolution::Passthrough => ClusterDiscovery::OriginalDst {
            port: port.target.filter(|target| *target != port.number),
            source: None,
        },
        Resolution::Static if passthrough => ClusterDiscovery::OriginalDst { port: None, source: None },
        Resolution::Static => {
            view.endpoints.push(EndpointsSpec { cluster: name.clone(), endpoints });
            ClusterDiscovery::Eds
        }
        Resolution::Dns if endpoints.is_empty() => ClusterDiscovery::Nowhere,
        Resolution::Dns => ClusterDiscovery::StrictDns { endpoints, refresh },
        Resolution::DnsRoundRobin => match endpoints.first() {
            // Envoy takes exactly one name here.
            Some(first) => ClusterDiscovery::LogicalDns { endpoints: Arc::new([first.clone()]), refresh },
            None => ClusterDiscovery::Nowhere,
        },
    };
    let protocol = match port.protocol {
        Protocol::Auto => UpstreamProtocol::Downstream,
        protocol if protocol.is_http() && connection_pool.http.use_client_protocol => {
            UpstreamProtocol::Downstream
        }
        protocol if protocol.is_http2() => UpstreamProtocol::Http2,
        protocol if protocol.is_http() && connection_pool.http.h2_upgrade == UpgradePolicy::Upgrade => {
            UpstreamProtocol::Http2
        }
        protocol if protocol.is_http() => UpstreamProtocol::Http1,
        _ => UpstreamProtocol::Tcp,
    };
    view.clusters.push(ClusterSpec {
        name,
        discovery,
        protocol,
        load_balancing,
        warmup,
        connection_pool,
        outlier_detection,
        retry_budget,
        proxy_protocol,
        connect_timeout: scope.mesh.config().connect_timeout,
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
