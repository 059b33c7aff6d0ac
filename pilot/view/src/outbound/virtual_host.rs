//! Virtual hosts: one for each host and HTTP port.

use super::{HTTP_PROXY, HostView, ServiceContext, egress, listener_key, route, route_name, routes_requests};
use crate::{
    Capture, Scope, domains,
    spec::{ActionSpec, RouteMatchSpec, RouteSpec, VirtualHostSpec},
    unserved,
};
use mesh_model::{
    Host, ListenerPlace, ObjectRef, Protocol, RouteHeaders, Service, ServicePort, SidecarListener, Str,
    VirtualService,
};
use std::sync::Arc;

/// Adds the virtual hosts of `port` to `view`.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    let ServiceContext { scope, service, rule: _ } = context;
    let doors = scope.doors(service.namespace(), &service.host, port.number);
    let is_http = |door: &Option<&SidecarListener>| match door {
        None => routes_requests(port),
        Some(listener) => egress::routes_requests(listener, port),
    };
    let doors: Vec<_> = doors.into_iter().filter(is_http).collect();
    if doors.is_empty() {
        return;
    }
    let (value, routes) = route::of_service(context, port);
    let domains = domains::of_service(scope, service, port.number);
    let mut named = Named {
        name: format!("{}:{}", service.host, port.number).into(),
        routes,
        attempt_count: !scope.settings().headers.without_attempt_count,
        origins: origins(service.objects(), value.map(|value| &**value)),
        view,
    };
    for door in doors {
        match (door, &scope.key.capture, port.protocol) {
            (Some(listener), ..) => named.add_to_listener(scope, listener, &domains, port.number),
            (None, Capture::Redirect, Protocol::Auto) if has_own_routes(scope, service) => {
                named.add_to_proxy(scope, &domains, port.number);
                named.add(named.name.clone(), vec!["*".into()]);
            }
            (None, capture, _) => {
                named.add_to_proxy(scope, &domains, port.number);
                if let Capture::Redirect = capture {
                    named.add(route_name(capture, port.number), domains.clone());
                }
            }
        }
    }
}

/// A sniffed port of a service with an address of its own has a route configuration of its own.
pub fn has_own_routes(scope: &Scope<'_>, service: &Service) -> bool {
    !scope.vips(service).is_empty() || service.headless
}

/// A virtual host that is part of several route configurations.
struct Named<'v> {
    name: Str,
    routes: Vec<RouteSpec>,
    attempt_count: bool,
    origins: Arc<[ObjectRef]>,
    view: &'v mut HostView,
}

impl Named<'_> {
    fn add(&mut self, route_configuration: Str, domains: Vec<Str>) {
        // Several listeners may have one port, and so one route configuration.
        let is_there = |host: &Arc<VirtualHostSpec>| {
            host.route_configuration == route_configuration && host.name == self.name
        };
        if !self.view.virtual_hosts.iter().any(is_there) {
            self.view.virtual_hosts.push(Arc::new(VirtualHostSpec {
                route_configuration,
                name: self.name.clone(),
                domains,
                routes: self.routes.clone(),
                attempt_count: self.attempt_count,
                origins: self.origins.clone(),
            }));
        }
    }

    /// For the mesh's own HTTP proxies.
    fn add_to_proxy(&mut self, scope: &Scope<'_>, domains: &[Str], port: u16) {
        if scope.http_proxy_port().is_some() {
            self.add(HTTP_PROXY.into(), domains::with_port(domains, port));
        }
    }

    /// For a listener that a Sidecar asks for.
    fn add_to_listener(&mut self, scope: &Scope<'_>, listener: &SidecarListener, domains: &[Str], port: u16) {
        if matches!(listener.place, ListenerPlace::Each(_)) {
            self.add_to_proxy(scope, domains, port);
        }
        let domains = match listener.has_all_ports() {
            true => domains::with_port(domains, port),
            false => domains.to_vec(),
        };
        self.add(listener_key::route_name(&listener.place, port), domains);
    }
}

/// Adds the virtual hosts of a host that a VirtualService names, on the ports that no service of that name has. A wildcard that services
/// have is about these services and nothing else.
pub fn derive_without_service(scope: &Scope<'_>, host: &Host, view: &mut HostView) {
    for (port, value) in unserved::routed(scope, host) {
        let domains = unserved::domains(scope, host);
        let mut named = Named {
            name: format!("{host}:{port}").into(),
            routes: route::of_virtual_service(scope, host, port, value),
            attempt_count: !scope.settings().headers.without_attempt_count,
            origins: origins(std::iter::empty(), Some(value)),
            view,
        };
        for door in scope.doors_of_routes(value, port) {
            match (door, &scope.key.capture) {
                (Some(listener), _) => named.add_to_listener(scope, listener, &domains, port),
                (None, capture) => {
                    named.add_to_proxy(scope, &domains, port);
                    if let Capture::Redirect = capture {
                        named.add(route_name(capture, port), domains.clone());
                    }
                }
            }
        }
    }
}

/// A virtual host that no request can mean. Envoy holds a listener back until a first virtual host has come for its route
/// configuration, so a route configuration without hosts gets this one.
pub fn placeholder(route_configuration: &Str) -> VirtualHostSpec {
    let response = mesh_model::DirectResponse { status: 404, body: Arc::new([]) };
    VirtualHostSpec {
        route_configuration: route_configuration.clone(),
        name: "placeholder".into(),
        domains: vec!["placeholder.meltemi.invalid".into()],
        routes: vec![RouteSpec {
            name: "placeholder".into(),
            matches: RouteMatchSpec::default(),
            action: ActionSpec::DirectResponse(response),
            headers: RouteHeaders::default(),
            fault: None,
            cors: None,
            operation: "".into(),
            stat_prefix: "".into(),
            config: None,
        }],
        attempt_count: false,
        origins: Arc::new([]),
    }
}

fn origins<'a>(
    service: impl Iterator<Item = &'a ObjectRef>,
    value: Option<&'a VirtualService>,
) -> Arc<[ObjectRef]> {
    let of_value = value.into_iter().flat_map(|value| {
        let VirtualService { metadata, delegates, .. } = value;
        std::iter::once(&metadata.object).chain(delegates)
    });
    let mut origins: Vec<ObjectRef> = service.chain(of_value).cloned().collect();
    origins.sort();
    origins.into()
}
