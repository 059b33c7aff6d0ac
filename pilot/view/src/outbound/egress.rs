//! Listeners that a Sidecar asks for: `egress` with a port.
//!
//! They have the port, the protocol and the address that the Sidecar says, and of the services that it imports there those with that
//! port; an HTTP proxy has all of theirs, and so has a listener at a Unix domain socket, which has no port itself.

use super::{
    HTTP_PROXY, HostView, ServiceContext, connection,
    listener::{ANY, PortUse, own_names, uses},
    listener_key::{ListenerKey, route_name},
};
use crate::Scope;
use mesh_model::{ListenerPlace, Protocol, ServicePort, SidecarAddress, SidecarListener, SidecarPort, Vip};
use std::net::{IpAddr, Ipv4Addr};

/// Whether `name` is the route configuration of listeners where the ports of authorities tell services apart.
pub fn tells_by_port(scope: &Scope<'_>, name: &str) -> bool {
    name == HTTP_PROXY
        || scope
            .sidecar_listeners()
            .any(|listener| listener.has_all_ports() && *route_name(&listener.place, 0) == *name)
}

/// Whether requests for `port` are routed one by one at `listener`. As in Istio, one that has all ports of its services has requests routed to
/// those alone that may be called by requests.
pub fn routes_requests(listener: &SidecarListener, port: &ServicePort) -> bool {
    let protocol = spoken(listener, port);
    let takes_requests = listener.is_proxy || protocol.is_http() || protocol == Protocol::Auto;
    takes_requests && (!listener.has_all_ports() || super::routes_requests(port))
}

/// What is spoken at `listener`: as the Sidecar says, or else as the service.
fn spoken(listener: &SidecarListener, port: &ServicePort) -> Protocol {
    match listener.protocol {
        Protocol::Auto => port.protocol,
        protocol => protocol,
    }
}

/// Where a listener is.
enum At {
    /// In one place, for all of its services.
    One(ListenerKey),
    /// At this port of each service's own addresses.
    Services(u16),
}

/// Where the listener at `place` is for services on `port`.
fn at(scope: &Scope<'_>, place: &ListenerPlace, port: u16) -> At {
    let (own, port) = match place {
        ListenerPlace::Unix(path) => return At::One(ListenerKey::Unix(path.clone())),
        ListenerPlace::Port(SidecarPort { number, at }) => (at, *number),
        ListenerPlace::Each(at) => (at, port),
    };
    match address(scope, own) {
        Some(address) => At::One(ListenerKey::Port { address, port }),
        None => At::Services(port),
    }
}

/// The one address of a listener at ports, if it has one.
fn address(scope: &Scope<'_>, at: &SidecarAddress) -> Option<IpAddr> {
    let SidecarAddress { bind, is_bound } = at;
    match scope.key.capture.own_door() {
        Some(door) => Some(scope.key.capture.bind(*bind, door)),
        None if *is_bound => Some(bind.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))),
        None => *bind,
    }
}

/// Whether the listener on `key` opens a socket because a Sidecar says so.
pub fn is_bound(scope: &Scope<'_>, key: &ListenerKey) -> bool {
    let (at, port) = match key {
        ListenerKey::Unix(_) => return true,
        ListenerKey::Port { address, port } => (*address, *port),
    };
    let is_for = |listener: &SidecarListener| listener.port().is_some_and(|own| own.number == port);
    let has_entry = scope.sidecar_listeners().any(is_for);
    scope.sidecar_listeners().any(|listener| {
        let own = match &listener.place {
            ListenerPlace::Port(own) if own.number == port => &own.at,
            ListenerPlace::Each(own) if !has_entry => own,
            ListenerPlace::Port(_) | ListenerPlace::Each(_) | ListenerPlace::Unix(_) => return false,
        };
        own.is_bound && address(scope, own) == Some(at)
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
    let at = at(scope, &listener.place, port.number);
    let any = |port| ListenerKey::Port { address: ANY, port };
    let routes = (listener.is_proxy || routes_requests(listener, port))
        .then(|| route_name(&listener.place, port.number));
    if listener.is_proxy || spoken(listener, port).is_http() {
        let key = match at {
            At::One(key) => key,
            At::Services(number) => any(number),
        };
        view.ports.push((key, PortUse::of_requests(service, port, routes)));
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
    let (keys, names) = match at {
        At::One(key) => (vec![key], names.as_slice()),
        At::Services(number) if single.is_empty() => (vec![any(number)], names.as_slice()),
        // At an address of its own it is the only one there.
        At::Services(number) => {
            let of_address = |address| ListenerKey::Port { address, port: number };
            (single.into_iter().map(of_address).collect(), [None].as_slice())
        }
    };
    for key in keys {
        for entry in uses(service, &opaque, routes.clone(), &[], names) {
            view.ports.push((key.clone(), entry));
        }
    }
}
