//! Where opaque connections to a service's port go: where a VirtualService's `tls` or `tcp` says, otherwise to the service.

use super::{ServiceContext, cluster_name, route};
use crate::{
    Scope,
    spec::{SniLookup, TcpSpec, WeightedCluster},
    stat_name::{Subject, stat_name},
    well_known::pool,
};
use mesh_model::{
    Cidr, ClusterPolicy, ConnectionMatch, ConnectionRoute, ConsistentHash, HashKey, LoadBalancing, ObjectRef,
    Protocol, Resolution, RouteHeaders, Service, ServicePort, Str, Traffic, Tunnel, VirtualService,
};

/// A part of the connections to a port, and where it goes.
#[derive(Debug, Clone)]
pub struct Opaque {
    /// Only those to these addresses; empty: wherever the service is.
    pub subnets: Vec<Cidr>,
    /// Only those from clients with such an address.
    pub source: Option<Cidr>,
    /// Only those with this SNI.
    pub server_name: Option<Str>,
    /// Where they go.
    pub tcp: TcpSpec,
    /// The VirtualService that says so; `None`: they go to the service itself.
    pub config: Option<ObjectRef>,
    /// Where it says so.
    pub at: RuleIndex,
}

/// The place of a rule among the entries of a VirtualService, and that of its match; `None`: the entry has no matches.
pub type RuleIndex = (usize, Option<usize>);

/// The connections to `port` of `service` in parts, as [`of_port`].
pub fn opaque_parts(scope: &Scope<'_>, service: &Service, port: &ServicePort) -> Vec<Opaque> {
    let rule = scope.destination_rule(service);
    of_port(&ServiceContext { scope, service, rule: rule.as_ref() }, port, port.protocol)
}

/// Which entries of a VirtualService are about connections to `port`.
pub fn traffic_of(port: &ServicePort) -> Traffic {
    if port.protocol.is_tls() { Traffic::Tls } else { Traffic::Tcp }
}

/// The connections to `port`, in parts, where clients speak `protocol`; of two that are about the same connections the first counts. Never
/// empty.
pub fn of_port(context: &ServiceContext<'_>, port: &ServicePort, protocol: Protocol) -> Vec<Opaque> {
    let mut parts = parts(context, port);
    parts.iter_mut().for_each(|part| part.tcp.mongo = protocol == Protocol::Mongo);
    parts
}

fn parts(context: &ServiceContext<'_>, port: &ServicePort) -> Vec<Opaque> {
    let ServiceContext { scope, service, rule: _ } = context;
    let mut values = scope.virtual_services(&service.host, traffic_of(port)).into_iter();
    let parts = values.find_map(|value| {
        let parts = parts_of(context, port, value);
        (!parts.is_empty()).then_some(parts)
    });
    parts.unwrap_or_else(|| vec![to_service(context, port)])
}

/// Those that `value` routes, and what it leaves to the service; empty: none of its rules is for these clients on this port.
fn parts_of(context: &ServiceContext<'_>, port: &ServicePort, value: &VirtualService) -> Vec<Opaque> {
    let scope = context.scope;
    let traffic = traffic_of(port);
    let mut parts = Vec::new();
    let routes = match traffic {
        Traffic::Tls => &value.tls,
        Traffic::Tcp | Traffic::Http => &value.tcp,
    };
    let mut all_taken = false;
    for route in routes {
        let ConnectionRoute { index: _, matches, destinations: _ } = route;
        let everything = [ConnectionMatch::default()];
        let without = matches.is_empty();
        let matches = if without { &everything[..] } else { matches };
        for condition in matches.iter().filter(|condition| applies(scope, port.number, condition)) {
            all_taken |= condition.subnets.is_empty() && condition.source.is_none();
            let at = (route.index, (!without).then_some(condition.index));
            let parts_of = routed(scope, port.number, value, route, condition);
            parts.extend(parts_of.into_iter().map(|part| Opaque { at, ..part }));
        }
    }
    // Connections with other server names are nobody's, as with Istio.
    if traffic != Traffic::Tls && !all_taken && !parts.is_empty() {
        parts.push(to_service(context, port));
    }
    parts
}

/// The part of a match that the control plane decides.
fn applies(scope: &Scope<'_>, port: u16, condition: &ConnectionMatch) -> bool {
    let ConnectionMatch {
        index: _,
        sni_hosts: _,
        subnets: _,
        source: _,
        port: wanted,
        source_labels,
        source_namespace,
        gateways,
    } = condition;
    let labels = &scope.key.labels;
    wanted.is_none_or(|wanted| wanted == port)
        && source_namespace.as_ref().is_none_or(|wanted| *wanted == scope.key.namespace)
        && source_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && (gateways.is_empty() || gateways.iter().any(|gateway| &**gateway == "mesh"))
}

/// What `route` does with the connections of one match: a part for each server name.
fn routed(
    scope: &Scope<'_>,
    port: u16,
    value: &VirtualService,
    route: &ConnectionRoute,
    condition: &ConnectionMatch,
) -> Vec<Opaque> {
    let clusters: Vec<_> =
        route.destinations.iter().map(|destination| route::weighted(scope, port, destination)).collect();
    let name = &value.metadata.object.name;
    let stat_prefix = match clusters.as_slice() {
        [only] => only.cluster.clone(),
        _ => format!("{}.{}", name.name, name.namespace).into(),
    };
    // One proxy for all of them has one set of settings; as Istio, those of the first.
    let first = route.destinations.first().map(|first| &first.destination);
    let policy = first.and_then(|first| route::policy(scope, first, port)).unwrap_or_default();
    let rule = first.and_then(|first| scope.destination_rule(scope.destination(&first.host)?));
    // A subset's own tunnel is for connections that all go there.
    let subset = first.filter(|_| clusters.len() == 1).map_or("", |first| &*first.subset);
    let tunnel = rule.and_then(|rule| rule.tunnel(subset).cloned());
    let service = first.filter(|_| clusters.len() == 1).and_then(|first| scope.destination(&first.host));
    let wanted = first.and_then(|first| first.port).unwrap_or(port);
    let sni_lookup = service.and_then(|service| sni_lookup(scope, service, service.port(wanted)?));
    let tcp = TcpSpec { sni_lookup, ..tcp_proxy(scope, stat_prefix, clusters, &policy, tunnel) };
    let part = |server_name| Opaque {
        subnets: condition.subnets.clone(),
        source: condition.source,
        server_name,
        tcp: tcp.clone(),
        config: Some(value.metadata.object.clone()),
        at: RuleIndex::default(),
    };
    match condition.sni_hosts.as_slice() {
        [] => vec![part(None)],
        // Envoy takes every SNI when none is asked for, and knows no `*`.
        names => names.iter().map(|name| part((name.as_str() != "*").then(|| name.to_shared()))).collect(),
    }
}

fn to_service(context: &ServiceContext<'_>, port: &ServicePort) -> Opaque {
    let ServiceContext { scope, service, rule } = context;
    let cluster = cluster_name(port.number, "", &service.host);
    let policy = rule.map(|rule| rule.policy.for_port(None, port.number)).unwrap_or_default();
    let tunnel = rule.and_then(|rule| rule.tunnel("").cloned());
    let clusters =
        vec![WeightedCluster { cluster: cluster.clone(), weight: 1, headers: RouteHeaders::default() }];
    let subject = Subject { service, port, subset: "" };
    let stat_prefix = stat_name(&scope.mesh.config().outbound_stat_name, subject).unwrap_or(cluster);
    let sni_lookup = sni_lookup(scope, service, port);
    let tcp = TcpSpec { sni_lookup, ..tcp_proxy(scope, stat_prefix, clusters, &policy, tunnel) };
    Opaque {
        subnets: Vec::new(),
        source: None,
        server_name: None,
        tcp,
        config: None,
        at: RuleIndex::default(),
    }
}

/// Looks up the names that clients of `service` ask for, where it is for any name.
fn sni_lookup(scope: &Scope<'_>, service: &Service, port: &ServicePort) -> Option<SniLookup> {
    let lookup = scope.lookup().filter(|_| service.resolution == Resolution::DynamicDns)?;
    Some(SniLookup { lookup, port: port.target.unwrap_or(port.number) })
}

fn tcp_proxy(
    scope: &Scope<'_>,
    stat_prefix: Str,
    clusters: Vec<WeightedCluster>,
    policy: &ClusterPolicy,
    tunnel: Option<Tunnel>,
) -> TcpSpec {
    let pool = pool(scope.mesh, policy.connection_pool.clone());
    let algorithm = policy.load_balancer.as_ref().map(|balancer| &balancer.algorithm);
    TcpSpec {
        stat_prefix,
        clusters,
        idle_timeout: pool.tcp.idle_timeout.or(scope.key.options.idle_timeout),
        max_connection_duration: pool.tcp.max_connection_duration,
        // Of a connection nothing else is known to hash.
        hash_source_ip: matches!(
            algorithm,
            Some(LoadBalancing::ConsistentHash(ConsistentHash { key: HashKey::SourceIp, ring: _ }))
        ),
        tunnel,
        mongo: false,
        sni_lookup: None,
        access_log: scope.access_log(),
    }
}
