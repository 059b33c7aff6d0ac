//! What the mesh has no index of, because only checks ask for it: wildcards, and services that meet at an address.
//!
//! In: what differs between two meshes. Out: indexes that fit the later one.

use mesh_model::{
    DestinationRule, EndpointAddress, Host, Mesh, Protocol, Service, ServiceEndpoints, ServiceKey,
    ServicePort, Vip,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::IpAddr,
    sync::Arc,
};

/// The indexes.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    wildcard_services: BTreeSet<ServiceKey>,
    /// Hosts of rules about wildcards, with how many rules there are about each.
    wildcard_rules: BTreeMap<Host, usize>,
    claims: HashMap<(Option<IpAddr>, u16), BTreeSet<ServiceKey>>,
    /// Most have one; what has more is what is looked for.
    sharers: HashMap<(EndpointAddress, u16), Vec<ServiceKey>>,
}

/// What a service without a host to tell it by asks for.
pub(super) fn claims_of(service: &Service) -> BTreeSet<(Option<IpAddr>, u16)> {
    let ports = service.ports.iter().filter(|port| !service.headless && is_opaque(port));
    let claims = ports.flat_map(|port| {
        let any = service.vips.is_empty().then_some((None, port.number));
        let single = service.vips.iter().filter_map(move |vip| match vip {
            Vip::Ip(address) => Some((Some(*address), port.number)),
            // Which of two ranges a connection is in is decided by the longer one.
            Vip::Range(_) => None,
        });
        any.into_iter().chain(single)
    });
    claims.collect()
}

/// Whether connections to it look like nothing but bytes.
fn is_opaque(port: &ServicePort) -> bool {
    !port.protocol.is_http() && !port.protocol.is_tls() && port.protocol != Protocol::Udp
}

/// Where the endpoints of a service are.
pub(super) fn places_of(endpoints: &ServiceEndpoints) -> BTreeSet<(&EndpointAddress, u16)> {
    let endpoints = endpoints.ports.values().flat_map(|endpoints| endpoints.iter());
    let places = endpoints.map(|endpoint| (&endpoint.address, endpoint.port));
    places.filter(|(address, _)| **address != EndpointAddress::BehindGateway).collect()
}

impl Indexes {
    /// Makes them fit `now`, which fitted `before`.
    pub(super) fn follow(&mut self, before: &Mesh, now: &Mesh) {
        for (key, [old, new]) in now.changed_services(before) {
            if key.host.is_wildcard() {
                match new {
                    Some(_) => self.wildcard_services.insert(key.clone()),
                    None => self.wildcard_services.remove(key),
                };
            }
            let [old, new] = [old, new].map(|service| service.map(|one| claims_of(one)).unwrap_or_default());
            for claim in old.difference(&new) {
                if let Some(keys) = self.claims.get_mut(claim) {
                    keys.remove(key);
                    if keys.is_empty() {
                        self.claims.remove(claim);
                    }
                }
            }
            for claim in new.difference(&old) {
                self.claims.entry(*claim).or_default().insert(key.clone());
            }
        }
        for (key, [old, new]) in now.changed_endpoints(before) {
            let [old, new] =
                [old, new].map(|endpoints| endpoints.map(|one| places_of(one)).unwrap_or_default());
            for (address, port) in old.difference(&new) {
                let place = ((*address).clone(), *port);
                if let Some(keys) = self.sharers.get_mut(&place) {
                    keys.retain(|held| held != key);
                    if keys.is_empty() {
                        self.sharers.remove(&place);
                    }
                }
            }
            for (address, port) in new.difference(&old) {
                let place = ((*address).clone(), *port);
                let keys = self.sharers.entry(place).or_insert_with(|| Vec::with_capacity(1));
                // In order, whatever order they came in.
                let at = keys.partition_point(|held| held < key);
                keys.insert(at, key.clone());
            }
        }
        for (_, [old, new]) in now.changed_destination_rules(before) {
            let wildcard = |rule: Option<&Arc<DestinationRule>>| {
                rule.map(|rule| rule.host.clone()).filter(Host::is_wildcard)
            };
            if let Some(host) = wildcard(new) {
                *self.wildcard_rules.entry(host).or_default() += 1;
            }
            if let Some(host) = wildcard(old)
                && let Some(count) = self.wildcard_rules.get_mut(&host)
            {
                *count -= 1;
                if *count == 0 {
                    self.wildcard_rules.remove(&host);
                }
            }
        }
    }

    pub(super) fn wildcard_services(&self) -> impl Iterator<Item = &ServiceKey> {
        self.wildcard_services.iter()
    }

    pub(super) fn wildcard_rules(&self) -> impl Iterator<Item = &Host> {
        self.wildcard_rules.keys()
    }

    pub(super) fn claims(&self, address: Option<IpAddr>, port: u16) -> impl Iterator<Item = &ServiceKey> {
        self.claims.get(&(address, port)).into_iter().flatten()
    }

    pub(super) fn sharers(&self, address: &EndpointAddress, port: u16) -> impl Iterator<Item = &ServiceKey> {
        self.sharers.get(&(address.clone(), port)).into_iter().flatten()
    }
}
