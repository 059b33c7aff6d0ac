//! What the snapshot is asked: by name, by host, by address, by whom it is for.

use super::{Mesh, ServiceKey};
use crate::{
    Credential, DestinationRule, Host, Kind, Labels, MeshConfig, NamespacedName, ObjectRef,
    PeerAuthentication, PeerModes, ProxyConfig, ProxyStart, Service, ServiceEndpoints, Sidecar, Str,
    VirtualService, Workload,
};
use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

/// Questions.
impl Mesh {
    /// Mesh-wide settings.
    pub fn config(&self) -> &Arc<MeshConfig> {
        &self.config
    }

    /// All services, by host, then namespace.
    pub fn services(&self) -> impl Iterator<Item = &Arc<Service>> {
        self.services.values()
    }

    /// The service `key`.
    pub fn service(&self, key: &ServiceKey) -> Option<&Arc<Service>> {
        self.services.get(key)
    }

    /// The services under `host`, one for each namespace that defines it, in order of precedence.
    pub fn services_of_host(&self, host: &Host) -> Vec<&Arc<Service>> {
        let from = ServiceKey { host: host.clone(), namespace: "".into() };
        let mut found: Vec<_> = self
            .services
            .range(from..)
            .take_while(|(key, _)| key.host == *host)
            .map(|(_, service)| service)
            .collect();
        found.sort_by_key(|service| service.metadata.precedence());
        found
    }

    /// The hosts of services that begin with `prefix`.
    pub fn hosts_with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a Host> {
        let from = ServiceKey { host: Host::new(prefix), namespace: "".into() };
        self.services
            .range(from..)
            .map(|(key, _)| &key.host)
            // A host has no final dot, a prefix may.
            .skip_while(move |host| host.as_str() < prefix)
            .take_while(move |host| host.as_str().starts_with(prefix))
    }

    /// The services that clients reach at `address`, in order of precedence.
    pub fn services_at(&self, address: &IpAddr) -> Vec<&Arc<Service>> {
        let keys = self.services_of_vip.get(address).into_iter().flatten();
        let mut found: Vec<_> = keys.filter_map(|key| self.services.get(key)).collect();
        found.sort_by_key(|service| service.metadata.precedence());
        found
    }

    /// The services that `namespace` defines.
    pub fn services_of_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<Service>> {
        let namespace = Str::from(namespace);
        let hosts = self.services_of_namespace.get(&namespace).into_iter().flatten();
        hosts.filter_map(move |host| {
            self.services.get(&ServiceKey { host: host.clone(), namespace: namespace.clone() })
        })
    }

    /// The services that are other names of `host`, directly.
    pub fn aliases_of(&self, host: &Host) -> impl Iterator<Item = &Arc<Service>> {
        let keys = self.aliases_of_host.get(host).into_iter().flatten();
        keys.filter_map(|key| self.services.get(key))
    }

    /// Whether requests may go to names that are not known before they come.
    pub fn resolves_any_name(&self) -> bool {
        self.dynamic_services > 0
    }

    /// The endpoints of a service.
    pub fn endpoints(&self, service: &Service) -> Option<&Arc<ServiceEndpoints>> {
        self.endpoints.get(&ServiceKey { host: service.host.clone(), namespace: service.namespace().clone() })
    }

    /// All VirtualServices.
    pub fn virtual_services(&self) -> impl Iterator<Item = &Arc<VirtualService>> {
        self.virtual_services.values()
    }

    /// The hosts that VirtualServices name, wildcards as written.
    pub fn virtual_service_hosts(&self) -> impl Iterator<Item = &Host> {
        self.virtual_services_of_host.keys()
    }

    /// The VirtualServices that name exactly `host`, in order of precedence.
    pub fn virtual_services_of_host(&self, host: &Host) -> Vec<&Arc<VirtualService>> {
        let names = self.virtual_services_of_host.get(host).into_iter().flatten();
        let mut found: Vec<_> = names.filter_map(|name| self.virtual_services.get(name)).collect();
        found.sort_by_key(|value| value.metadata.precedence());
        found
    }

    /// The VirtualServices that route to `host`.
    pub fn virtual_services_to_host(&self, host: &Host) -> impl Iterator<Item = &Arc<VirtualService>> {
        let names = self.virtual_services_to_host.get(host).into_iter().flatten();
        names.filter_map(|name| self.virtual_services.get(name))
    }

    /// The VirtualService `name`.
    pub fn virtual_service(&self, name: &NamespacedName) -> Option<&Arc<VirtualService>> {
        self.virtual_services.get(name)
    }

    /// The DestinationRule `name`.
    pub fn destination_rule(&self, name: &NamespacedName) -> Option<&Arc<DestinationRule>> {
        self.destination_rules.get(name)
    }

    /// All DestinationRules.
    pub fn destination_rules(&self) -> impl Iterator<Item = &Arc<DestinationRule>> {
        self.destination_rules.values()
    }

    /// The DestinationRules about exactly `host`, in order of precedence.
    pub fn destination_rules_of_host(&self, host: &Host) -> Vec<&Arc<DestinationRule>> {
        let names = self.destination_rules_of_host.get(host).into_iter().flatten();
        let mut found: Vec<_> = names.filter_map(|name| self.destination_rules.get(name)).collect();
        found.sort_by_key(|value| value.metadata.precedence());
        found
    }

    /// The DestinationRules that decide for clients in `client` that call `service`: those of the client's namespace, otherwise of the
    /// service's, otherwise of the root namespace; of these the most specific host. Some of them may select other clients.
    ///
    /// As in Istio, rules of the root namespace are for everybody: its own clients follow first those that nobody else sees.
    pub fn destination_rules_for(&self, client: &Str, service: &Service) -> Vec<&Arc<DestinationRule>> {
        let root = &self.config.root_namespace;
        let hosts: Vec<Host> = service.host.and_wildcards().collect();
        let of = |namespace: &Str, counts: &dyn Fn(&DestinationRule) -> bool| {
            hosts.iter().find_map(|candidate| {
                let mut rules = self.destination_rules_of_host(candidate);
                rules.retain(|rule| {
                    rule.metadata.namespace() == namespace && rule.export_to.includes(client) && counts(rule)
                });
                (!rules.is_empty()).then_some(rules)
            })
        };
        let own = of(client, &|rule| client != root || rule.export_to.is_only(client));
        own.or_else(|| of(service.namespace(), &|_| true)).or_else(|| of(root, &|_| true)).unwrap_or_default()
    }

    /// The Sidecar that applies to a workload of `namespace` with `labels`: one that selects it, otherwise the
    /// namespace's default, otherwise the root namespace's; the oldest of each.
    pub fn sidecar_for(&self, namespace: &str, labels: &Labels) -> Option<&Arc<Sidecar>> {
        let oldest = |namespace: &str, matches: &dyn Fn(&Sidecar) -> bool| {
            self.sidecars_of_namespace(namespace)
                .filter(|value| matches(value))
                .min_by_key(|value| value.metadata.precedence())
        };
        let selects = |value: &Sidecar| {
            value
                .selector
                .as_ref()
                .is_some_and(|wanted| wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
        };
        let default = |value: &Sidecar| value.selector.is_none();
        oldest(namespace, &selects)
            .or_else(|| oldest(namespace, &default))
            .or_else(|| oldest(&self.config.root_namespace, &default))
    }

    /// The Sidecar `name`.
    pub fn sidecar(&self, name: &NamespacedName) -> Option<&Arc<Sidecar>> {
        self.sidecars.get(name)
    }

    /// All Sidecars.
    pub fn sidecars(&self) -> impl Iterator<Item = &Arc<Sidecar>> {
        self.sidecars.values()
    }

    /// All PeerAuthentications.
    pub fn peer_authentications(&self) -> impl Iterator<Item = &Arc<PeerAuthentication>> {
        self.peer_authentications.values()
    }

    /// What the proxies of workloads of `namespace` with `labels` take.
    pub fn peer_modes(&self, namespace: &str, labels: &Labels) -> PeerModes {
        let of = |namespace: &str| self.peer_authentications_of_namespace(namespace);
        let root = &*self.config.root_namespace;
        let elsewhere = (namespace != root).then(|| of(namespace)).into_iter().flatten();
        let all = of(root).chain(elsewhere).filter(|value| value.selects(labels));
        PeerModes::compose(&self.config, all)
    }

    /// All ProxyConfigs.
    pub fn proxy_configs(&self) -> impl Iterator<Item = &Arc<ProxyConfig>> {
        self.proxy_configs.values()
    }

    /// What the proxy of a workload of `namespace` with `labels` is started with: as the mesh says, then the root namespace, its own
    /// namespace, and what selects it there. Of several on a level the oldest counts.
    pub fn proxy_start(&self, namespace: &str, labels: &Labels) -> ProxyStart {
        let root = &*self.config.root_namespace;
        let of = |namespace: &str, wanted: &dyn Fn(&ProxyConfig) -> bool| {
            let found = self.proxy_configs_of_namespace(namespace);
            let mut found: Vec<_> = found.filter(|value| wanted(value)).collect();
            found.sort_by(|one, other| other.metadata.precedence().cmp(&one.metadata.precedence()));
            found
        };
        let mut start = self.config.start.clone();
        let mut levels = of(root, &|value| value.selector.is_none());
        if namespace != root {
            levels.extend(of(namespace, &|value| value.selector.is_none()));
        }
        levels.extend(of(namespace, &|value| {
            let selected = |(key, value): (&Str, &Str)| labels.get(key) == Some(value);
            value.selector.as_ref().is_some_and(|selector| selector.iter().all(selected))
        }));
        levels.into_iter().for_each(|value| start.overlay(&value.start));
        start
    }

    /// The credential that a Secret or ConfigMap is named for; `None`: nobody has looked for it yet.
    pub fn credential(&self, object: &ObjectRef) -> Option<&Arc<Credential>> {
        self.credentials.get(object)
    }

    /// All credentials, by the object that is named.
    pub fn credentials(&self) -> impl Iterator<Item = (&ObjectRef, &Arc<Credential>)> {
        self.credentials.iter()
    }

    /// Those that are Secrets, by name.
    pub fn secrets(&self) -> impl Iterator<Item = (&NamespacedName, &Arc<Credential>)> {
        let secrets = self.credentials.iter().filter(|(object, _)| object.kind == Kind::Secret);
        secrets.map(|(object, credential)| (&object.name, credential))
    }

    /// All workloads.
    pub fn workloads(&self) -> impl Iterator<Item = &Arc<Workload>> {
        self.workloads.values()
    }

    /// The workload that `object` is.
    pub fn workload(&self, object: &ObjectRef) -> Option<&Arc<Workload>> {
        self.workloads.get(object)
    }

    /// The pod `name` of `namespace`.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&Arc<Workload>> {
        self.workload(&ObjectRef::new(Kind::Pod, namespace, name))
    }

    /// The workloads at `address`, in order of kind and name: several pods may have their node's.
    pub fn workloads_at(&self, address: &IpAddr) -> impl Iterator<Item = &Arc<Workload>> {
        let objects = self.workloads_of_address.get(address).into_iter().flatten();
        objects.filter_map(|object| self.workloads.get(object))
    }

    /// The labels of clients in `namespace` by which some rule is for them or not: proxies that differ only in others are alike, but
    /// for what is near to them.
    pub fn client_label_keys(&self, namespace: &str) -> BTreeSet<Str> {
        let mut keys = self.client_needs.selectors(namespace);
        keys.extend(self.source_label_keys.keys().cloned());
        keys
    }

    /// The labels of clients in `namespace` by which some rule calls endpoints near or far.
    pub fn place_label_keys(&self, namespace: &str) -> BTreeSet<Str> {
        self.client_needs.places(namespace, &self.config)
    }
}
