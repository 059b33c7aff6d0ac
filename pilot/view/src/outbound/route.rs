//! Routes of a virtual host: a VirtualService's, or the default one.

use super::{ServiceContext, cluster_name};
use crate::{
    Scope,
    spec::{ActionSpec, ForwardSpec, MirrorSpec, RouteMatchSpec, RouteSpec, WeightedCluster},
};
use mesh_model::{
    ClusterPolicy, Destination, HashKey, HeaderMatch, Host, HttpAction, HttpMatch, HttpRoute, LoadBalancing,
    Mirror, Redirect, RedirectPort, Resolution, Retries, RouteHeaders, ServicePort, Str, StringMatch,
    Traffic, VirtualService, WeightedDestination,
};
use std::sync::Arc;

/// The routes of a service's port, and the VirtualService that says so: the first that has any for these clients, or else none.
pub fn of_service<'a>(
    context: &ServiceContext<'a>,
    port: &ServicePort,
) -> (Option<&'a Arc<VirtualService>>, Vec<RouteSpec>) {
    let ServiceContext { scope, service, rule: _ } = context;
    let mut values = scope.virtual_services(&service.host, Traffic::Http).into_iter();
    match values.find(|value| concerns(scope, port.number, value)) {
        Some(value) => (Some(value), of_virtual_service(scope, &service.host, port.number, value)),
        None => (None, vec![default_route(scope, &service.host, port.number)]),
    }
}

/// Whether any of the routes of `value` is for clients of `scope` that call `port`.
pub(crate) fn concerns(scope: &Scope<'_>, port: u16, value: &VirtualService) -> bool {
    let mut routes = value.http.iter();
    routes.any(|HttpRoute { matches, .. }| {
        matches.is_empty() || matches.iter().any(|condition| applies(scope, port, condition))
    })
}

/// The route of a host without VirtualService.
fn default_route(scope: &Scope<'_>, host: &Host, port: u16) -> RouteSpec {
    let destination = Destination { host: host.clone(), subset: "".into(), port: Some(port) };
    RouteSpec {
        name: "default".into(),
        matches: RouteMatchSpec::default(),
        action: ActionSpec::Forward(ForwardSpec {
            clusters: vec![WeightedCluster {
                cluster: cluster_name(port, "", host),
                weight: 1,
                headers: RouteHeaders::default(),
            }],
            timeout: None,
            retries: retries(scope, None),
            rewrite: None,
            forwarded_host: false,
            hash: hash_keys(scope, &destination, port),
            mirrors: vec![],
            // Nothing is rewritten.
            by_name: false,
        }),
        headers: RouteHeaders::default(),
        fault: None,
        cors: None,
        operation: operation(host, port),
        stat_prefix: "".into(),
        config: None,
    }
}

/// The routes of `value` for requests to `host` on `port`, as far as clients of `scope` can meet them.
pub fn of_virtual_service(
    scope: &Scope<'_>,
    host: &Host,
    port: u16,
    value: &VirtualService,
) -> Vec<RouteSpec> {
    let caller = Caller { scope, host, port };
    let mut routes = Vec::new();
    for route in &value.http {
        if route.matches.is_empty() {
            routes.push(one(&caller, value, route, None));
        }
        for condition in route.matches.iter().filter(|condition| applies(scope, port, condition)) {
            routes.push(one(&caller, value, route, Some(condition)));
        }
        // What follows a route that takes everything is never reached.
        if routes.last().is_some_and(|last| last.matches == RouteMatchSpec::default()) {
            break;
        }
    }
    routes
}

/// What a client calls.
struct Caller<'a> {
    scope: &'a Scope<'a>,
    host: &'a Host,
    port: u16,
}

/// The redirect with `FROM_REQUEST_PORT` decided: Envoy cannot, but here the port that the client calls is known.
fn redirect_on(port: u16, redirect: &Redirect) -> Redirect {
    let decide = |wanted| match wanted {
        RedirectPort::FromRequest => RedirectPort::Number(port),
        RedirectPort::Number(_) | RedirectPort::FromProtocolDefault => wanted,
    };
    Redirect { port: redirect.port.map(decide), ..redirect.clone() }
}

/// The part of a match that the control plane decides.
pub(crate) fn applies(scope: &Scope<'_>, port: u16, condition: &HttpMatch) -> bool {
    let labels = &scope.key.labels;
    condition.port.is_none_or(|wanted| wanted == port)
        && condition.source_namespace.as_ref().is_none_or(|wanted| *wanted == scope.key.namespace)
        && condition.source_labels.iter().all(|(key, value)| labels.get(key) == Some(value))
        && (condition.gateways.is_empty() || condition.gateways.iter().any(|gateway| &**gateway == "mesh"))
}

fn one(
    caller: &Caller<'_>,
    value: &VirtualService,
    route: &HttpRoute,
    condition: Option<&HttpMatch>,
) -> RouteSpec {
    let Caller { scope, host, port } = *caller;
    let HttpRoute {
        index: _,
        delegate: _,
        name,
        matches: _,
        action,
        timeout,
        retries: own_retries,
        fault,
        mirrors,
        cors,
        headers,
    } = route;
    let (matches, match_name, stat_prefix) = condition.map(match_spec).unwrap_or_default();
    let action = match action {
        HttpAction::Redirect(redirect) => ActionSpec::Redirect(redirect_on(port, redirect)),
        HttpAction::DirectResponse(response) => ActionSpec::DirectResponse(response.clone()),
        HttpAction::Route { destinations, rewrite } => ActionSpec::Forward(ForwardSpec {
            clusters: destinations.iter().map(|destination| weighted(scope, port, destination)).collect(),
            timeout: *timeout,
            retries: retries(scope, own_retries.as_ref()),
            rewrite: rewrite.clone(),
            forwarded_host: scope.settings().headers.forwarded_host,
            hash: {
                let mut keys: Vec<_> =
                    destinations.iter().flat_map(|each| hash_keys(scope, &each.destination, port)).collect();
                keys.sort();
                keys.dedup();
                keys
            },
            mirrors: mirrors.iter().map(|mirror| mirror_spec(scope, port, mirror)).collect(),
            by_name: destinations.iter().any(|each| is_by_name(scope, &each.destination)),
        }),
    };
    RouteSpec {
        name: match (name.is_empty(), match_name.is_empty()) {
            (_, true) => name.clone(),
            (true, false) => match_name,
            (false, false) => format!("{name}.{match_name}").into(),
        },
        matches,
        action,
        headers: headers.clone(),
        fault: fault.clone(),
        cors: cors.clone(),
        operation: operation(host, port),
        stat_prefix,
        config: Some(value.metadata.object.name.clone()),
    }
}

fn match_spec(condition: &HttpMatch) -> (RouteMatchSpec, Str, Str) {
    let HttpMatch {
        index: _,
        name,
        uri,
        ignore_uri_case,
        scheme,
        method,
        authority,
        headers,
        claims,
        query,
        port: _,
        source_labels: _,
        source_namespace: _,
        gateways: _,
        stat_prefix,
    } = condition;
    let pseudo = |name: &str, value: &Option<StringMatch>| {
        value.as_ref().map(|value| HeaderMatch { name: name.into(), value: value.clone(), invert: false })
    };
    let pseudo = [pseudo(":scheme", scheme), pseudo(":method", method), pseudo(":authority", authority)];
    // Envoy's prefix "/" takes every path; written so, it is the same as no condition.
    let path = uri.clone().filter(|uri| !uri.is_every_path());
    let spec = RouteMatchSpec {
        ignore_case: path.is_some() && *ignore_uri_case,
        path,
        headers: pseudo.into_iter().flatten().chain(headers.iter().cloned()).collect(),
        claims: claims.clone(),
        query: query.clone(),
    };
    (spec, name.clone(), stat_prefix.clone())
}

/// A destination as a cluster with its share.
pub(super) fn weighted(
    scope: &Scope<'_>,
    listener_port: u16,
    weighted: &WeightedDestination,
) -> WeightedCluster {
    let WeightedDestination { destination, weight, headers } = weighted;
    WeightedCluster {
        cluster: cluster_of(scope, destination, listener_port),
        weight: *weight,
        headers: headers.clone(),
    }
}

fn is_by_name(scope: &Scope<'_>, destination: &Destination) -> bool {
    let service = scope.lookup().and_then(|_| scope.destination(&destination.host));
    service.is_some_and(|service| service.resolution == Resolution::DynamicDns)
}

fn mirror_spec(scope: &Scope<'_>, listener_port: u16, mirror: &Mirror) -> MirrorSpec {
    let Mirror { destination, percent } = mirror;
    MirrorSpec { cluster: cluster_of(scope, destination, listener_port), percent: *percent }
}

/// The cluster of a destination, by the name of the service that it means.
fn cluster_of(scope: &Scope<'_>, destination: &Destination, listener_port: u16) -> Str {
    let port = destination_port(scope, destination, listener_port);
    let service = scope.destination(&destination.host);
    let host = service.map_or(&destination.host, |service| &service.host);
    cluster_name(port, &destination.subset, host)
}

/// The port of a destination: its own, the only one of the service, or the one that the client called.
fn destination_port(scope: &Scope<'_>, destination: &Destination, listener_port: u16) -> u16 {
    let only = || match scope.destination(&destination.host)?.ports.as_slice() {
        [port] => Some(port.number),
        _ => None,
    };
    destination.port.or_else(only).unwrap_or(listener_port)
}

/// What the DestinationRule that applies says about `destination`.
pub(super) fn policy(
    scope: &Scope<'_>,
    destination: &Destination,
    listener_port: u16,
) -> Option<ClusterPolicy> {
    let port = destination_port(scope, destination, listener_port);
    let service = scope.destination(&destination.host)?;
    let rule = scope.destination_rule(service)?;
    Some(rule.policy.for_port(rule.subset(&destination.subset).map(|subset| &subset.policy), port))
}

/// What requests to `destination` are hashed by, when its DestinationRule asks for consistent hashing.
fn hash_keys(scope: &Scope<'_>, destination: &Destination, listener_port: u16) -> Vec<HashKey> {
    let policy = policy(scope, destination, listener_port);
    match policy.and_then(|policy| policy.load_balancer).map(|balancer| balancer.algorithm) {
        Some(LoadBalancing::ConsistentHash(hash)) => vec![hash.key],
        Some(LoadBalancing::Simple(_)) | None => vec![],
    }
}

/// The retries that apply: the route's, the mesh's, or Istio's default; `None` when that means none.
fn retries(scope: &Scope<'_>, own: Option<&Retries>) -> Option<Retries> {
    let retries = own.or(scope.mesh.config().default_retries.as_ref()).cloned().unwrap_or_default();
    (retries.attempts > 0).then_some(retries)
}

fn operation(host: &Host, port: u16) -> Str {
    format!("{host}:{port}/*").into()
}
