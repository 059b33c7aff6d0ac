//! Listeners that a Sidecar asks for: `egress` with a port.
//!
//! They have the port, the protocol and the address that the Sidecar says, and of the services that it imports there those with that
//! port; an HTTP proxy has all of theirs.

use super::{
    HTTP_PROXY, HostView, ServiceContext, connection,
    listener::{ANY, PortKey, PortUse, own_names, uses},
};
use crate::Scope;
use mesh_model::{Protocol, ServicePort, SidecarListener, Str, Vip};
use std::net::{IpAddr, Ipv4Addr};

/// The route configuration of a listener.
pub fn route_name(listener: &SidecarListener) -> Str {
    listener.port.to_string().into()
}

/// Whether `name` is the route configuration of an HTTP proxy, where the ports of authorities tell services apart.
pub fn is_proxy_route(scope: &Scope<'_>, name: &str) -> bool {
    name == HTTP_PROXY
        || scope.sidecar_listeners().any(|listener| listener.is_proxy && *route_name(listener) == *name)
}

/// Whether requests for `port` are routed one by one at `listener`.
pub fn routes_requests(listener: &SidecarListener, port: &ServicePort) -> bool {
    let protocol = spoken(listener, port);
    listener.is_proxy || protocol.is_http() || protocol == Protocol::Auto
}

/// What is spoken at `listener`: as the Sidecar says, or else as the service.
fn spoken(listener: &SidecarListener, port: &ServicePort) -> Protocol {
    match listener.protocol {
        Protocol::Auto => port.protocol,
        protocol => protocol,
    }
}

/// Where `listener` is; `None`: at the addresses of its services.
fn address(scope: &Scope<'_>, listener: &SidecarListener) -> Option<IpAddr> {
    match scope.key.capture.own_door() {
        Some(door) => Some(scope.key.capture.bind(listener.bind, door)),
        None if listener.is_bound => Some(listener.bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        None => listener.bind,
    }
}

/// Whether the listener on `key` opens a socket because a Sidecar says so.
pub fn is_bound(scope: &Scope<'_>, key: PortKey) -> bool {
    scope.sidecar_listeners().any(|listener| {
        listener.is_bound && listener.port == key.port && address(scope, listener) == Some(key.address)
    })
}

/// Adds what `port` needs of `listener` to `view`.
pub fn derive(
    context: &ServiceContext<'_>,
    port: &ServicePort,
    listener: &SidecarListener,
    view: &mut HostView,
) {
    let ServiceContext { scope, service, rule: _ } = context;
    let at = address(scope, listener);
    let routes = routes_requests(listener, port).then(|| route_name(listener));
    let key = |address| PortKey { address, port: listener.port };
    if listener.is_proxy || spoken(listener, port).is_http() {
        view.ports.push((key(at.unwrap_or(ANY)), PortUse::of_requests(service, port, routes)));
        return;
    }
    let protocol = spoken(listener, port);
    let opaque = connection::of_port(context, port, protocol);
    let names = own_names(scope, service, protocol.is_tls());
    let vips = scope.vips(service);
    let single: Vec<IpAddr> = vips
        .iter()
        .filter_map(|vip| if let Vip::Ip(address) = vip { Some(*address) } else { None })
        .collect();
    let addresses = match at {
        Some(address) => vec![address],
        None if single.is_empty() => vec![ANY],
        None => single,
    };
    for address in addresses {
        // At an address of its own it is the only one there.
        let names = if at.is_some() || address == ANY { names.as_slice() } else { &[None] };
        for entry in uses(service, &opaque, routes.clone(), &[], names) {
            view.ports.push((key(address), entry));
        }
    }
}
