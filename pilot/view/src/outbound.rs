//! Outbound: what one host contributes to a scope, and the listeners that hosts on a port share.

mod cluster;
mod connection;
mod egress;
mod listener;
mod listener_key;
mod locality;
mod networks;
mod route;
mod route_configuration;
mod tls;
mod usable;
mod virtual_host;

pub(crate) use connection::{Opaque, RuleIndex, opaque_parts, traffic_of};
pub use listener::{PortUse, port_listener};
pub(crate) use listener::{opaque_chains, plain_text_http, unknown};
pub use listener_key::ListenerKey;
pub(crate) use route::{applies, concerns};
pub use route_configuration::route_configuration;
pub(crate) use tls::{file_certificate, peer_check, strangers_socket};
pub(crate) use virtual_host::has_own_routes;
pub use virtual_host::placeholder;

use crate::{
    Capture, Place, Scope,
    spec::{ClusterSpec, EndpointsSpec, VirtualHostSpec},
};
use mesh_model::{Destination, Host, MergedRule, ObjectRef, Protocol, Service, ServicePort, Str};
use std::sync::Arc;

/// Everything that one host contributes to a scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostView {
    /// A cluster for each port and subset, but for those whose endpoints are part of them.
    pub clusters: Vec<ClusterSpec>,
    /// Names of those others, which [`derive_place`] gives.
    pub placed: Vec<Str>,
    /// A virtual host for each HTTP port.
    pub virtual_hosts: Vec<Arc<VirtualHostSpec>>,
    /// What it needs of listeners.
    pub ports: Vec<(ListenerKey, PortUse)>,
}

/// What one host contributes to a scope that depends on where clients are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceView {
    /// A cluster for each port and subset, where endpoints are part of it.
    pub clusters: Vec<ClusterSpec>,
    /// The endpoints of clusters that take them from the control plane.
    pub endpoints: Vec<EndpointsSpec>,
}

/// What `host` contributes to `scope` wherever clients are; nothing when the scope does not see it.
pub fn derive_host(scope: &Scope<'_>, host: &Host) -> HostView {
    let mut view = HostView::default();
    match scope.service(host) {
        // Its names are those of the service that it leads to, but for what a VirtualService says of this one.
        Some(service) if service.alias_of().is_some() => {
            virtual_host::derive_without_service(scope, host, &mut view);
        }
        Some(service) => {
            let rule = scope.destination_rule(service);
            let context = ServiceContext { scope, service, rule: rule.as_ref() };
            for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
                cluster::derive(&context, port, &mut view);
                listener::derive(&context, port, &mut view);
                virtual_host::derive(&context, port, &mut view);
            }
            virtual_host::derive_without_service(scope, host, &mut view);
        }
        None => {
            virtual_host::derive_without_service(scope, host, &mut view);
            // Not to be called, but routed to.
            routed_to(scope, host, |context, port| cluster::derive(context, port, &mut view));
        }
    }
    view
}

/// What `host` contributes to `scope` for clients in `place`. An edit of endpoints changes nothing but this.
pub fn derive_place(scope: &Scope<'_>, place: &Place, host: &Host) -> PlaceView {
    let mut view = PlaceView::default();
    routed_to(scope, host, |context, port| cluster::derive_place(context, place, port, &mut view));
    view
}

/// Calls `derive` for each port of the service that a route to `host` means.
fn routed_to(scope: &Scope<'_>, host: &Host, mut derive: impl FnMut(&ServiceContext<'_>, &ServicePort)) {
    let Some(service) = scope.destination(host).filter(|service| service.host == *host) else { return };
    let rule = scope.destination_rule(service);
    let context = ServiceContext { scope, service, rule: rule.as_ref() };
    for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
        derive(&context, port);
    }
}

/// A service as a scope sees it.
struct ServiceContext<'a> {
    scope: &'a Scope<'a>,
    service: &'a Service,
    rule: Option<&'a MergedRule>,
}

impl ServiceContext<'_> {
    /// The objects behind its clusters.
    fn origins(&self) -> Arc<[ObjectRef]> {
        let rules = self.rule.into_iter().flat_map(|rule| rule.origins.iter().cloned());
        let mut origins: Vec<_> = self.service.objects().cloned().chain(rules).collect();
        origins.sort();
        origins.into()
    }
}

/// The name of an outbound cluster.
pub(crate) fn cluster_name(port: u16, subset: &str, host: &Host) -> Str {
    format!("outbound|{port}|{subset}|{host}").into()
}

/// The cluster of a destination that names its port.
fn destination_cluster(destination: &Destination) -> mesh_model::Str {
    let Destination { host, subset, port } = destination;
    cluster_name(port.unwrap_or_default(), subset, host)
}

/// Whether requests on `port` are routed one by one.
pub(crate) fn routes_requests(port: &ServicePort) -> bool {
    port.protocol.is_http() || port.protocol == Protocol::Auto
}

/// The route configuration of listeners that serve as HTTP proxies.
pub(crate) const HTTP_PROXY: &str = "http_proxy";

/// The route configuration that holds the virtual hosts of `port`, in a scope with this capture.
fn route_name(capture: &Capture, port: u16) -> Str {
    match capture {
        Capture::Redirect => port.to_string().into(),
        Capture::None { .. } => HTTP_PROXY.into(),
    }
}
