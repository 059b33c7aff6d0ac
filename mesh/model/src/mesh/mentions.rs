//! What objects mention, by which indexes find them.

use crate::{Host, Service, Str, VirtualService};
use std::net::IpAddr;

pub(super) fn single_vips(service: &Service) -> impl Iterator<Item = IpAddr> {
    service.vips.iter().filter_map(|vip| match vip {
        crate::Vip::Ip(address) => Some(*address),
        crate::Vip::Range(_) => None,
    })
}

pub(super) fn destinations(value: &VirtualService) -> impl Iterator<Item = &Host> {
    let forwarded = value.http.iter().flat_map(|route| match &route.action {
        crate::HttpAction::Route { destinations, rewrite: _ } => destinations.as_slice(),
        crate::HttpAction::Redirect(_) | crate::HttpAction::DirectResponse(_) => &[],
    });
    let mirrored = value.http.iter().flat_map(|route| &route.mirrors).map(|mirror| &mirror.destination);
    let connections = value.tls.iter().chain(&value.tcp).flat_map(|route| &route.destinations);
    let mut hosts: Vec<&Host> = forwarded
        .chain(connections)
        .map(|weighted| &weighted.destination)
        .chain(mirrored)
        .map(|destination| &destination.host)
        .collect();
    hosts.sort();
    hosts.dedup();
    hosts.into_iter()
}

pub(super) fn source_labels(value: &VirtualService) -> impl Iterator<Item = &Str> {
    let requests = value.http.iter().flat_map(|route| &route.matches);
    let connections = value.tls.iter().chain(&value.tcp).flat_map(|route| &route.matches);
    let of_connections = connections.flat_map(|condition| condition.source_labels.keys());
    requests.flat_map(|condition| condition.source_labels.keys()).chain(of_connections)
}
