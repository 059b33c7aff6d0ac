//! Which object decides: the service, VirtualService and DestinationRule that a scope sees for a host.

use crate::{Scope, alias};
use mesh_model::{Host, MergedRule, Mesh, NamespacedName, Registry, Service, Traffic, VirtualService};
use std::{collections::BTreeSet, sync::Arc};

/// Every host that may contribute configuration: services' and VirtualServices', wildcards as written.
pub fn hosts(mesh: &Mesh) -> BTreeSet<Host> {
    mesh.services().map(|service| service.host.clone()).chain(mesh.virtual_service_hosts().cloned()).collect()
}

impl<'a> Scope<'a> {
    /// The service that `host` means here: the client namespace's own before others, Kubernetes before ServiceEntries,
    /// older before younger.
    pub fn service(&self, host: &Host) -> Option<&'a Arc<Service>> {
        let visible = self.mesh.services_of_host(host).into_iter();
        visible
            .filter(|service| self.sees(service.namespace(), &service.host, &service.export_to))
            .min_by_key(|service| self.preference(service))
    }

    /// The service that a route to `host` means, under whichever of its names: one that is seen, or that an imported VirtualService
    /// routes to. As Istio, a Sidecar need not import what its VirtualServices need.
    pub fn destination(&self, host: &Host) -> Option<&'a Arc<Service>> {
        let mut found = self.routed(host)?;
        // As many steps as there can be names in a row that are no circle.
        for _ in 0..alias::LONGEST {
            let Some(target) = found.alias_of() else { return Some(found) };
            found = self.routed(target)?;
        }
        None
    }

    fn routed(&self, host: &Host) -> Option<&'a Arc<Service>> {
        self.service(host).or_else(|| {
            let imported = |value: &Arc<VirtualService>| {
                let metadata = &value.metadata;
                value.for_mesh()
                    && value.hosts.iter().any(|host| self.sees(metadata.namespace(), host, &value.export_to))
            };
            let names = || std::iter::once(host.clone()).chain(alias::names_of(self.mesh, host));
            let wanted = |name: Host| self.mesh.virtual_services_to_host(&name).any(imported);
            let is_proxy = self.egress_proxy().is_some_and(|proxy| names().any(|name| proxy.host == name));
            if !self.has_sidecar() || !(is_proxy || names().any(wanted)) {
                return None;
            }
            let services = self.mesh.services_of_host(host).into_iter();
            services
                .filter(|service| service.export_to.includes(&self.key.namespace))
                .min_by_key(|service| self.preference(service))
        })
    }

    /// Order among services of one host.
    fn preference<'s>(&self, service: &'s Service) -> (bool, bool, (i64, &'s NamespacedName)) {
        (
            *service.namespace() != self.key.namespace,
            service.registry != Registry::Kubernetes,
            service.metadata.precedence(),
        )
    }

    /// Whether a service that `host` stands for has this port.
    pub fn serves_below(&self, host: &Host, port: u16) -> bool {
        let has_port = |service: &Service| service.port(port).is_some() && self.sees_service(service);
        if host.is_wildcard() {
            self.mesh.services().any(|service| host.covers(&service.host) && has_port(service))
        } else {
            let service = self.service(host).filter(|service| service.alias_of().is_none());
            service.is_some_and(|service| service.port(port).is_some())
        }
    }

    /// Whether clients of this scope see `service`.
    pub fn sees_service(&self, service: &Service) -> bool {
        self.sees(service.namespace(), &service.host, &service.export_to)
    }

    /// Whether requests for exactly `host` have a virtual host of that name.
    pub fn claims(&self, host: &Host) -> bool {
        self.service(host).is_some() || !self.virtual_services_exactly(host, host, Traffic::Http).is_empty()
    }

    /// The VirtualServices that route `traffic` for `host`, in the order in which they are asked: those of the most specific of their hosts
    /// first, then the older. The first that has a route for the client on the port that it calls decides. As in Istio, requests are not asked
    /// for beyond the most specific of these hosts, and where that is a wildcard, by the oldest alone.
    pub fn virtual_services(&self, host: &Host, traffic: Traffic) -> Vec<&'a Arc<VirtualService>> {
        let mut candidates = host.and_wildcards();
        let of = |candidate: Host| self.virtual_services_exactly(&candidate, host, traffic);
        if traffic != Traffic::Http {
            return candidates.flat_map(of).collect();
        }
        let own = candidates.next().map(of).unwrap_or_default();
        match own.is_empty() {
            false => own,
            true => candidates.map(of).find_map(|values| values.first().copied()).into_iter().collect(),
        }
    }

    /// Those that route it for exactly `candidate`, the oldest first, and that are seen by clients that call `host`.
    pub fn virtual_services_exactly(
        &self,
        candidate: &Host,
        host: &Host,
        traffic: Traffic,
    ) -> Vec<&'a Arc<VirtualService>> {
        let mut all = self.mesh.virtual_services_of_host(candidate);
        all.retain(|value| value.for_mesh() && value.routes(traffic) && self.sees_routes(value, host));
        all
    }

    /// Whether clients see what `value` says of `host`. As in Istio, a Sidecar that imports one of its hosts has all of it, but for those
    /// that it leaves out.
    fn sees_routes(&self, value: &VirtualService, host: &Host) -> bool {
        let namespace = value.metadata.namespace();
        let sees = |host: &Host| self.sees(namespace, host, &value.export_to);
        sees(host) || !self.leaves_out(namespace, host) && value.hosts.iter().any(sees)
    }

    /// What DestinationRules say about `service`: those of the client's namespace, otherwise of the service's, otherwise
    /// of the root namespace; of these the most specific host. Several for that host are merged, if they are for the same namespaces.
    ///
    /// Rules that select the client count before those for all clients. Where there are rules, but for other clients only, the
    /// search ends all the same, as in Istio.
    pub fn destination_rule(&self, service: &Service) -> Option<MergedRule> {
        let visible = self.mesh.destination_rules_for(&self.key.namespace, service);
        let group = visible
            .iter()
            .filter_map(|rule| rule.selector.as_ref())
            .find(|labels| labels.iter().all(|(key, value)| self.key.labels.get(key) == Some(value)));
        MergedRule::of_all(visible.iter().copied().filter(|rule| rule.selector.as_ref() == group))
    }
}
