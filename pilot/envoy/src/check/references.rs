//! References from one resource to another: listener to route configuration, route and TCP proxy to cluster, cluster to
//! endpoints.

use super::{Findings, Held, Problem};
use crate::envoy::cluster::Cluster;
use crate::envoy::cluster::cluster::{ClusterDiscoveryType, DiscoveryType};
use crate::envoy::hcm::{HttpConnectionManager, http_connection_manager::RouteSpecifier};
use crate::envoy::listener::{Filter, Listener, filter::ConfigType};
use crate::envoy::route::route_action::ClusterSpecifier;
use crate::envoy::route::{Route, RouteConfiguration, VirtualHost, route};
use crate::envoy::tcp_proxy::{TcpProxy, tcp_proxy};
use crate::envoy::{accesslog, core, trace};
use crate::names::ACCESS_LOG_CLUSTER;
use mesh_proto::envoy::extensions::access_loggers::{
    grpc::v3::{HttpGrpcAccessLogConfig, TcpGrpcAccessLogConfig},
    open_telemetry::v3::OpenTelemetryAccessLogConfig,
};
use mesh_proto::unpack;
use pilot_xds::resource::ResourceType;
use std::collections::BTreeSet;

pub(super) fn check(held: &Held<'_>, found: &mut Findings) {
    let clusters: BTreeSet<&str> = held.clusters.iter().map(|(name, _)| *name).collect();
    let endpoints: BTreeSet<&str> = held.endpoints.iter().map(|(name, _)| *name).collect();
    let routes: BTreeSet<&str> = held.routes.iter().map(|(_, name, _)| *name).collect();

    for (name, cluster) in &held.clusters {
        if let Some(assignment) = eds_name(cluster)
            && !endpoints.contains(assignment)
        {
            let problem = Problem::NoEndpoints(assignment.to_owned());
            found.add(ResourceType::Cluster, name, problem);
        }
    }
    let mut missing = |kind: ResourceType, name: &str, named: BTreeSet<String>| {
        for cluster in named.into_iter().filter(|cluster| !clusters.contains(&**cluster)) {
            found.add(kind, name, Problem::NoCluster(cluster));
        }
    };
    for (kind, name, configuration) in &held.routes {
        missing(*kind, name, configuration.virtual_hosts.iter().flat_map(host_clusters).collect());
    }
    for (name, host) in &held.virtual_hosts {
        missing(ResourceType::VirtualHost, name, host_clusters(host).collect());
    }
    let listeners: Vec<_> =
        held.listeners.iter().map(|(name, listener)| (*name, Named::of_listener(listener))).collect();
    for (name, named) in &listeners {
        missing(ResourceType::Listener, name, named.clusters.clone());
    }
    for (name, named) in listeners {
        for route in named.routes.into_iter().filter(|route| !routes.contains(&**route)) {
            found.add(ResourceType::Listener, name, Problem::NoRouteConfiguration(route));
        }
    }
}

/// The name of the endpoints that an EDS cluster waits for.
fn eds_name(cluster: &Cluster) -> Option<&str> {
    let eds = ClusterDiscoveryType::Type(DiscoveryType::Eds as i32);
    if cluster.cluster_discovery_type.as_ref() != Some(&eds) {
        return None;
    }
    let service = cluster.eds_cluster_config.as_ref().map(|config| &*config.service_name);
    Some(service.filter(|name| !name.is_empty()).unwrap_or(&cluster.name))
}

/// What a listener names.
#[derive(Default)]
pub(super) struct Named {
    clusters: BTreeSet<String>,
    routes: BTreeSet<String>,
    /// Route configurations that are part of it.
    pub(super) inline: Vec<RouteConfiguration>,
}

impl Named {
    pub(super) fn of_listener(listener: &Listener) -> Self {
        let mut named = Named::default();
        named.clusters.extend(listener.access_log.iter().filter_map(logged_to));
        let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
        chains.flat_map(|chain| &chain.filters).for_each(|filter| named.add(filter));
        named
    }

    fn add(&mut self, filter: &Filter) {
        // What cannot be decoded breaks a rule, and is found as such.
        let Some(ConfigType::TypedConfig(config)) = &filter.config_type else { return };
        if let Some(Ok(manager)) = unpack::<HttpConnectionManager>(config) {
            let provider = manager.tracing.as_ref().and_then(|tracing| tracing.provider.as_ref());
            self.clusters.extend(provider.and_then(traced_to));
            self.clusters.extend(manager.access_log.iter().filter_map(logged_to));
            match manager.route_specifier {
                Some(RouteSpecifier::Rds(rds)) => {
                    self.routes.insert(rds.route_config_name);
                }
                Some(RouteSpecifier::RouteConfig(configuration)) => {
                    self.clusters.extend(configuration.virtual_hosts.iter().flat_map(host_clusters));
                    self.inline.push(configuration);
                }
                Some(RouteSpecifier::ScopedRoutes(_)) | None => {}
            }
        }
        if let Some(Ok(proxy)) = unpack::<TcpProxy>(config) {
            self.clusters.extend(proxy.access_log.iter().filter_map(logged_to));
            match proxy.cluster_specifier {
                Some(tcp_proxy::ClusterSpecifier::Cluster(cluster)) => {
                    self.clusters.insert(cluster);
                }
                Some(tcp_proxy::ClusterSpecifier::WeightedClusters(weighted)) => {
                    self.clusters.extend(weighted.clusters.into_iter().map(|cluster| cluster.name));
                }
                None => {}
            }
        }
    }
}

fn called(service: core::GrpcService) -> Option<String> {
    match service.target_specifier? {
        core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy) => Some(envoy.cluster_name),
        core::grpc_service::TargetSpecifier::GoogleGrpc(_) => None,
    }
}

/// The cluster of a service that takes accesses; `None` for that of the bootstrap, which is not among those that are sent.
fn logged_to(log: &accesslog::AccessLog) -> Option<String> {
    let Some(accesslog::access_log::ConfigType::TypedConfig(config)) = &log.config_type else { return None };
    let service = if let Some(Ok(http)) = unpack::<HttpGrpcAccessLogConfig>(config) {
        http.common_config?.grpc_service
    } else if let Some(Ok(tcp)) = unpack::<TcpGrpcAccessLogConfig>(config) {
        tcp.common_config?.grpc_service
    } else {
        unpack::<OpenTelemetryAccessLogConfig>(config)?.ok()?.grpc_service
    };
    service.and_then(called).filter(|cluster| cluster != ACCESS_LOG_CLUSTER)
}

/// The cluster of a tracer.
fn traced_to(provider: &trace::tracing::Http) -> Option<String> {
    let Some(trace::tracing::http::ConfigType::TypedConfig(config)) = &provider.config_type else {
        return None;
    };
    let http = |service: core::HttpService| match service.http_uri?.http_upstream_type? {
        core::http_uri::HttpUpstreamType::Cluster(cluster) => Some(cluster),
    };
    if let Some(Ok(zipkin)) = unpack::<trace::ZipkinConfig>(config) {
        return zipkin.collector_service.and_then(http);
    }
    if let Some(Ok(datadog)) = unpack::<trace::DatadogConfig>(config) {
        return Some(datadog.collector_cluster);
    }
    if let Some(Ok(skywalking)) = unpack::<trace::SkyWalkingConfig>(config) {
        return skywalking.grpc_service.and_then(called);
    }
    let Some(Ok(otlp)) = unpack::<trace::OpenTelemetryConfig>(config) else { return None };
    otlp.http_service.and_then(http).or(otlp.grpc_service.and_then(called))
}

fn host_clusters(host: &VirtualHost) -> impl Iterator<Item = String> {
    host.routes.iter().flat_map(route_clusters)
}

fn route_clusters(route: &Route) -> Vec<String> {
    let Some(route::Action::Route(action)) = &route.action else { return Vec::new() };
    let mut clusters = match &action.cluster_specifier {
        Some(ClusterSpecifier::Cluster(cluster)) => vec![cluster.clone()],
        Some(ClusterSpecifier::WeightedClusters(weighted)) => {
            weighted.clusters.iter().map(|cluster| cluster.name.clone()).collect()
        }
        // Chosen by the request, or by a plugin.
        Some(_) | None => Vec::new(),
    };
    clusters.extend(action.request_mirror_policies.iter().map(|mirror| mirror.cluster.clone()));
    clusters.retain(|cluster| !cluster.is_empty());
    clusters
}
