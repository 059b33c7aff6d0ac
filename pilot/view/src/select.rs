//! Which object decides: the service, VirtualService and DestinationRule that a scope sees for a host.

use crate::{Scope, alias};
use mesh_model::{
    DestinationRule, ExportTo, Host, Mesh, NamespacedName, ObjectRef, Registry, Service, Subset, Traffic,
    TrafficPolicy, Tunnel, VirtualService,
};
use std::{collections::BTreeSet, sync::Arc};

/// Every host that may contribute configuration: services' and VirtualServices', wildcards as written.
pub fn hosts(mesh: &Mesh) -> BTreeSet<Host> {
    mesh.services().map(|service| service.host.clone()).chain(mesh.virtual_service_hosts().cloned()).collect()
}

/// `host`, then each wildcard that covers it, most specific first: `a.b.c`, `*.b.c`, `*.c`, `*`.
pub(crate) fn covering(host: &Host) -> impl Iterator<Item = Host> {
    let text = host.as_str().to_owned();
    let mut rest = text.strip_prefix("*.").map_or(Some(text.clone()), |rest| Some(rest.to_owned()));
    let wildcards = std::iter::from_fn(move || {
        let current = rest.take()?;
        let (_, parent) = current
            .split_once('.')
            .map_or((current.as_str(), None), |(label, parent)| (label, Some(parent.to_owned())));
        rest = parent.clone();
        Some(match parent {
            Some(parent) => Host::new(&format!("*.{parent}")),
            None => Host::new("*"),
        })
    });
    let own = host.clone();
    let itself = own.clone();
    std::iter::once(own).chain(wildcards.filter(move |wildcard| *wildcard != itself))
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
        let has_port = |service: &Service| {
            service.port(port).is_some() && self.sees(service.namespace(), &service.host, &service.export_to)
        };
        if host.is_wildcard() {
            self.mesh.services().any(|service| host.covers(&service.host) && has_port(service))
        } else {
            self.service(host).is_some_and(|service| service.port(port).is_some())
        }
    }

    /// Whether requests for exactly `host` have a virtual host of that name.
    pub fn claims(&self, host: &Host) -> bool {
        self.service(host).is_some() || self.virtual_service_exactly(host, host, Traffic::Http).is_some()
    }

    /// The VirtualService that routes `traffic` for `host`: the most specific of its hosts wins, then the oldest.
    pub fn virtual_service(&self, host: &Host, traffic: Traffic) -> Option<&'a Arc<VirtualService>> {
        covering(host).find_map(|candidate| self.virtual_service_exactly(&candidate, host, traffic))
    }

    /// The oldest VirtualService that routes `traffic` for exactly `candidate` and is seen by clients that call `host`.
    pub fn virtual_service_exactly(
        &self,
        candidate: &Host,
        host: &Host,
        traffic: Traffic,
    ) -> Option<&'a Arc<VirtualService>> {
        let sees = |value: &VirtualService| self.sees(value.metadata.namespace(), host, &value.export_to);
        let mut all = self.mesh.virtual_services_of_host(candidate).into_iter();
        all.find(|value| value.for_mesh() && value.routes(traffic) && sees(value))
    }

    /// What DestinationRules say about `service`: those of the client's namespace, otherwise of the service's, otherwise
    /// of the root namespace; of these the most specific host. Several for that host are merged, if they are for the same namespaces.
    ///
    /// Rules that select the client count before those for all clients. Where there are rules, but for other clients only, the
    /// search ends all the same, as in Istio.
    pub fn destination_rule(&self, service: &Service) -> Option<MergedRule> {
        let root = &self.mesh.config().root_namespace;
        let client = &self.key.namespace;
        let visible = [client, service.namespace(), root].into_iter().find_map(|namespace| {
            covering(&service.host).find_map(|candidate| {
                let rules = self.mesh.destination_rules_of_host(&candidate).into_iter();
                let visible: Vec<&Arc<DestinationRule>> = rules
                    .filter(|rule| rule.metadata.namespace() == namespace && rule.export_to.includes(client))
                    .collect();
                (!visible.is_empty()).then_some(visible)
            })
        })?;
        let group = visible
            .iter()
            .filter_map(|rule| rule.selector.as_ref())
            .find(|labels| labels.iter().all(|(key, value)| self.key.labels.get(key) == Some(value)));
        merge(visible.iter().filter(|rule| rule.selector.as_ref() == group))
    }
}

/// What rules for one host, oldest first, say together to somebody who sees all of them. As in Istio, one is added to each older one that is
/// for no other namespaces than it is itself; if there is none, it stands alone, and the last that does so counts. So what a rule says to one
/// namespace never gets lost because of a rule that this namespace does not share with all the others.
fn merge<'r>(rules: impl Iterator<Item = &'r &'r Arc<DestinationRule>>) -> Option<MergedRule> {
    let mut alone: Vec<(&ExportTo, MergedRule)> = Vec::new();
    for rule in rules {
        let mut added = false;
        for (_, merged) in alone.iter_mut().filter(|(export_to, _)| rule.export_to.covers(export_to)) {
            merged.add(rule);
            added = true;
        }
        if !added {
            alone.push((&rule.export_to, MergedRule::of(rule)));
        }
    }
    alone.pop().map(|(_, merged)| merged)
}

/// DestinationRules of one namespace for one host, as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergedRule {
    /// The oldest of them.
    pub name: NamespacedName,
    /// All of them, oldest first.
    pub origins: Vec<ObjectRef>,
    /// The first policy that says something.
    pub policy: TrafficPolicy,
    /// All subsets; of equal names the oldest.
    pub subsets: Vec<Subset>,
}

impl MergedRule {
    fn of(rule: &DestinationRule) -> Self {
        let DestinationRule { metadata, host: _, policy, subsets, export_to: _, selector: _ } = rule;
        Self {
            name: metadata.object.name.clone(),
            origins: vec![metadata.object.clone()],
            policy: policy.clone(),
            subsets: subsets.clone(),
        }
    }

    fn add(&mut self, rule: &DestinationRule) {
        self.origins.push(rule.metadata.object.clone());
        if self.policy == TrafficPolicy::default() {
            self.policy = rule.policy.clone();
        }
        for subset in &rule.subsets {
            if self.subsets.iter().all(|known| known.name != subset.name) {
                self.subsets.push(subset.clone());
            }
        }
    }

    /// The tunnel for connections to the subset `name`, or to all of the host when that is empty. As in Istio a subset does not
    /// inherit the host's.
    pub fn tunnel(&self, name: &str) -> Option<&Tunnel> {
        match name {
            "" => self.policy.tunnel.as_ref(),
            name => self.subset(name)?.policy.tunnel.as_ref(),
        }
    }

    /// The subset `name`.
    pub fn subset(&self, name: &str) -> Option<&Subset> {
        self.subsets.iter().find(|subset| &*subset.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn covering_goes_from_specific_to_general() {
        let of = |text: &str| covering(&Host::new(text)).map(|host| host.to_string()).collect::<Vec<_>>();
        assert_eq!(of("a.b.c"), ["a.b.c", "*.b.c", "*.c", "*"]);
        assert_eq!(of("*.b.c"), ["*.b.c", "*.c", "*"]);
        assert_eq!(of("a"), ["a", "*"]);
        assert_eq!(of("*"), ["*"]);
    }
}
