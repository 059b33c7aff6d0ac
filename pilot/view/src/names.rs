//! Where names lead: what a DNS proxy beside a workload answers by itself.
//!
//! In: a scope and a host. Out: the names that the host contributes, with the addresses at which clients of the scope call it. What has
//! no address in the mesh has no entry: the workload's own resolver knows it, or nobody does.

use crate::{Families, Scope, spec::NameSpec};
use mesh_model::{EndpointAddress, Health, Host, Registry, Resolution, Service, Str, Vip};
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

/// The names that `host` contributes to `scope`: its own, and those of pods below it; nothing when the scope does not see it.
pub fn derive_names(scope: &Scope<'_>, host: &Host) -> Vec<NameSpec> {
    let Some(service) = scope.service(host) else { return Vec::new() };
    // An alias is called where the host is called that it leads to.
    let Some(called) = scope.destination(host) else { return Vec::new() };
    let mut names = Vec::new();
    let (shortname, namespace) = match service.registry {
        Registry::Kubernetes => (service.metadata.object.name.name.clone(), service.namespace().clone()),
        Registry::External => (Str::default(), Str::default()),
    };
    let addresses = addresses(scope, called);
    if !addresses.is_empty() {
        names.push(NameSpec {
            name: host.to_shared(),
            addresses,
            registry: service.registry,
            shortname: shortname.clone(),
            namespace: namespace.clone(),
        });
    }
    if service.headless {
        names.extend(pods(scope, service).into_iter().map(|(hostname, addresses)| NameSpec {
            name: format!("{hostname}.{host}").into(),
            addresses: spoken(addresses, scope.key.families),
            registry: service.registry,
            shortname: format!("{hostname}.{shortname}").into(),
            namespace: namespace.clone(),
        }));
    }
    names
}

/// Where clients of the scope connect to when they call `service`.
fn addresses(scope: &Scope<'_>, service: &Service) -> Arc<[IpAddr]> {
    let own = scope.vips(service).into_iter().filter_map(|vip| match vip {
        Vip::Ip(address) => Some(address),
        // A range is for those who know an address in it already.
        Vip::Range(_) => None,
    });
    let mut all: Vec<IpAddr> = own.collect();
    if service.vips.is_empty() && all.is_empty() && calls_endpoints(service) {
        all = ready(scope, service).map(|(_, address)| address).collect();
        all.sort();
        all.dedup();
    }
    spoken(all, scope.key.families)
}

/// Whether clients connect to the service's endpoints themselves.
fn calls_endpoints(service: &Service) -> bool {
    service.headless || service.resolution == Resolution::Passthrough
}

/// The pods of a headless service that have names of their own.
fn pods(scope: &Scope<'_>, service: &Service) -> BTreeMap<Str, Vec<IpAddr>> {
    let mut named: BTreeMap<Str, Vec<IpAddr>> = BTreeMap::new();
    for (hostname, address) in ready(scope, service).filter(|(hostname, _)| !hostname.is_empty()) {
        let addresses = named.entry(hostname.clone()).or_default();
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    named
}

/// The endpoints that may be called, whatever port they serve.
fn ready<'a>(scope: &Scope<'a>, service: &Service) -> impl Iterator<Item = (&'a Str, IpAddr)> {
    let endpoints = scope.mesh.endpoints(service).into_iter().flat_map(|endpoints| endpoints.ports.values());
    endpoints
        .flat_map(|endpoints| endpoints.iter())
        .filter(|endpoint| endpoint.health == Health::Healthy)
        .filter_map(|endpoint| match endpoint.address {
            EndpointAddress::Ip(address) => Some((&endpoint.hostname, address)),
            EndpointAddress::Name(_) | EndpointAddress::Unix(_) | EndpointAddress::BehindGateway => None,
        })
}

/// Of addresses of both versions, those of the versions that clients speak.
fn spoken(addresses: Vec<IpAddr>, families: Families) -> Arc<[IpAddr]> {
    let speaks = |address: &IpAddr| match families {
        Families::V4 => address.is_ipv4(),
        Families::V6 => address.is_ipv6(),
        Families::Both => true,
    };
    // Where there is nothing to choose from, the client learns what there is.
    match addresses.iter().any(speaks) {
        true => addresses.into_iter().filter(speaks).collect(),
        false => addresses.into(),
    }
}
