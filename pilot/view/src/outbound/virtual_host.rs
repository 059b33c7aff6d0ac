//! Virtual hosts: one for each host and HTTP port.

use super::{HTTP_PROXY, HostView, ServiceContext, route, route_name, routes_requests};
use crate::{
    Capture, Scope, domains,
    spec::{ActionSpec, RouteMatchSpec, RouteSpec, VirtualHostSpec},
};
use mesh_model::{Host, ObjectRef, Protocol, RouteHeaders, ServicePort, Str, Traffic, VirtualService};
use std::sync::Arc;

/// Adds the virtual hosts of `port` to `view`.
pub fn derive(context: &ServiceContext<'_>, port: &ServicePort, view: &mut HostView) {
    if !routes_requests(port) {
        return;
    }
    let ServiceContext { scope, service, rule: _ } = context;
    let value = scope.virtual_service(&service.host, Traffic::Http);
    let routes = route::of_service(context, port, value.map(|value| &**value));
    if routes.is_empty() {
        return;
    }
    let name: Str = format!("{}:{}", service.host, port.number).into();
    let origins = origins(Some(&service.metadata.object), value.map(|value| &**value));
    let domains = domains::of_service(scope, service, port.number);
    let mut add = |route_configuration: Str, domains: Vec<Str>| {
        let spec = VirtualHostSpec {
            route_configuration,
            name: name.clone(),
            domains,
            routes: routes.clone(),
            origins: origins.clone(),
        };
        view.virtual_hosts.push(Arc::new(spec));
    };
    if scope.http_proxy_port().is_some() {
        add(HTTP_PROXY.into(), domains::with_port(&domains, port.number));
    }
    match (&scope.key.capture, port.protocol) {
        (Capture::None { .. }, _) => {}
        // A sniffed port of a service with an address of its own has a route configuration of its own.
        (Capture::Redirect, Protocol::Auto) if !scope.vips(service).is_empty() || service.headless => {
            add(name.clone(), vec!["*".into()])
        }
        (Capture::Redirect, _) => add(route_name(&scope.key.capture, port.number), domains),
    }
}

/// Adds the virtual host of a host that a VirtualService names and no service has on that port. The port is not said: Istio
/// assumes 80. A wildcard that services have is about these services and nothing else.
pub fn derive_without_service(scope: &Scope<'_>, host: &Host, view: &mut HostView) {
    const PORT: u16 = domains::UNKNOWN_HOSTS_PORT;
    let Some(value) = scope.virtual_service_exactly(host, host, Traffic::Http) else { return };
    if scope.serves_below(host, PORT) {
        return;
    }
    let routes = route::of_virtual_service(scope, host, PORT, value);
    if routes.is_empty() {
        return;
    }
    let domains = domains::of_host(host);
    let mut add = |route_configuration, domains| {
        view.virtual_hosts.push(Arc::new(VirtualHostSpec {
            route_configuration,
            name: format!("{host}:{PORT}").into(),
            domains,
            routes: routes.clone(),
            origins: origins(None, Some(value)),
        }));
    };
    if scope.http_proxy_port().is_some() {
        add(HTTP_PROXY.into(), domains::with_port(&domains, PORT));
    }
    if let Capture::Redirect = scope.key.capture {
        add(route_name(&scope.key.capture, PORT), domains);
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
        origins: Arc::new([]),
    }
}

fn origins(service: Option<&ObjectRef>, value: Option<&VirtualService>) -> Arc<[ObjectRef]> {
    let of_value = value.into_iter().flat_map(|value| {
        let VirtualService { metadata, delegates, .. } = value;
        std::iter::once(&metadata.object).chain(delegates)
    });
    let mut origins: Vec<ObjectRef> = service.into_iter().chain(of_value).cloned().collect();
    origins.sort();
    origins.into()
}
