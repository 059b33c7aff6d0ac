//! The names under which clients call a host: domains of its virtual hosts.

use crate::{Scope, unserved};
use mesh_model::{Host, Registry, Service, ShortNameOf, Str, Vip};
use std::net::IpAddr;

/// The domains of a service's `port`, the canonical name first, those of its other names included. A short form or an address that is another host's own name, or an
/// older service's address, belongs to that one: a domain twice in a route configuration would make Envoy reject all of it.
pub fn of_service(scope: &Scope<'_>, service: &Service, port: u16) -> Vec<Str> {
    let host = &service.host;
    let mut domains = of_host(host);
    domains.extend(short_names(scope, service));
    for alias in scope.aliases(host) {
        // Where a VirtualService is about just this name, it has a virtual host of its own.
        if unserved::decides(scope, &alias.host, port).is_none() {
            domains.extend(of_host(&alias.host));
            domains.extend(short_names(scope, alias));
        }
    }
    if service.headless {
        let wildcards: Vec<Str> = domains
            .iter()
            .filter(|domain| !domain.ends_with('.'))
            .map(|domain| format!("*.{domain}").into())
            .collect();
        domains.extend(wildcards.into_iter().filter(|wildcard| !scope.claims(&Host::new(wildcard))));
    }
    let owned = |address: &IpAddr| {
        let owner = scope
            .mesh
            .services_at(address)
            .into_iter()
            .find(|other| scope.sees(other.namespace(), &other.host, &other.export_to));
        owner.is_none_or(|owner| owner.host == *host) && !scope.claims(&Host::new(&address.to_string()))
    };
    domains.extend(scope.vips(service).iter().filter_map(|vip| match vip {
        Vip::Ip(address) if owned(address) => Some(in_authority(address)),
        Vip::Ip(_) | Vip::Range(_) => None,
    }));
    domains.dedup();
    domains
}

/// The names under which TLS clients ask for a service, the canonical name first.
pub fn server_names(scope: &Scope<'_>, service: &Service) -> Vec<Str> {
    let aliases = scope.aliases(&service.host);
    let of_alias = |alias: &Service| {
        let mut names = vec![alias.host.to_shared()];
        names.extend(short_names(scope, alias));
        names
    };
    std::iter::once(service.host.to_shared())
        .chain(aliases.into_iter().flat_map(|alias| of_alias(alias)))
        .collect()
}

/// The forms besides its host under which a Kubernetes service is called, but for those that are other hosts' own names.
pub fn short_names(scope: &Scope<'_>, service: &Service) -> Vec<Str> {
    let suffix = format!(".{}.svc.{}", service.namespace(), scope.mesh.config().domain);
    // A ServiceEntry-like host name of a Kubernetes service would not have these forms.
    if service.registry != Registry::Kubernetes || !service.host.as_str().ends_with(&suffix) {
        return Vec::new();
    }
    let short = ShortNameOf { name: &service.metadata.object.name.name, namespace: service.namespace() };
    let mut names = short.names(&scope.key.namespace);
    names.retain(|name| !scope.claims(&Host::new(name)));
    names
}

/// The domains of a host that only a VirtualService names.
pub fn of_host(host: &Host) -> Vec<Str> {
    if let Ok(address) = host.as_str().parse::<IpAddr>() {
        vec![in_authority(&address)]
    } else if host.is_wildcard() {
        vec![host.to_shared()]
    } else {
        vec![host.to_shared(), format!("{host}.").into()]
    }
}

/// `domains` with `port`, and without it where it is HTTP's default: for the HTTP proxy, where ports tell services apart.
pub fn with_port(domains: &[Str], port: u16) -> Vec<Str> {
    let bare = domains.iter().filter(|_| port == 80).cloned();
    bare.chain(domains.iter().map(|domain| format!("{domain}:{port}").into())).collect()
}

/// An address as it stands in a `Host` header.
fn in_authority(address: &IpAddr) -> Str {
    match address {
        IpAddr::V4(address) => address.to_string().into(),
        IpAddr::V6(address) => format!("[{address}]").into(),
    }
}
