//! Where a service's requests end up.
//!
//! In: a service's definition and what is known of workloads and slices. Out: its endpoints by port. Pure.

mod port;

pub use port::pod_port;

use crate::{
    assemble::Part,
    joins::{Joins, pod, selects},
    kinds::{
        EndpointSlice, InlineEndpoint, KubernetesService, Model, Node, ServiceEntry, SliceEndpoint,
        endpoint_accepts_mtls,
    },
    store::Store,
};
use mesh_model::{
    Endpoint, EndpointAddress, Health, Kind, Labels, Locality, Mesh, MtlsMode, ObjectRef, Protocol,
    Resolution, Service, ServiceEndpoints, ServicePort, Str, Workload,
};
use port::{entry_port, leave};
use std::{collections::BTreeMap, sync::Arc};

/// What endpoints are derived from.
pub struct Known<'a> {
    /// Objects.
    pub store: &'a Store,
    /// Who refers to whom.
    pub joins: &'a Joins,
    /// Workloads, already joined with their nodes.
    pub mesh: &'a Mesh,
    /// Shared by all endpoints of which no labels are known.
    pub no_labels: &'a Arc<Labels>,
}

/// Endpoints while they are collected.
#[derive(Default)]
struct Collected(BTreeMap<u16, Vec<Endpoint>>);

impl Collected {
    fn add(&mut self, port: &ServicePort, endpoint: Endpoint) {
        self.0.entry(port.number).or_default().push(endpoint);
    }

    fn extend(&mut self, port: &ServicePort, endpoints: impl IntoIterator<Item = Endpoint>) {
        endpoints.into_iter().for_each(|endpoint| self.add(port, endpoint));
    }

    fn finish(self) -> ServiceEndpoints {
        let ports = self.0.into_iter().map(|(number, mut endpoints)| {
            endpoints.sort();
            // While an endpoint moves from one slice to another it is in both.
            let is_known = |address: &EndpointAddress| *address != EndpointAddress::BehindGateway;
            endpoints.dedup_by(|later, first| {
                is_known(&later.address) && later.address == first.address && later.port == first.port
            });
            (number, endpoints.into())
        });
        ServiceEndpoints::new(ports.collect())
    }
}

/// Ports that proxies carry.
fn ports(service: &Service) -> impl Iterator<Item = &ServicePort> {
    service.ports.iter().filter(|port| port.protocol != Protocol::Udp)
}

impl Known<'_> {
    /// The endpoints of a Kubernetes Service.
    pub fn of_service(&self, definition: &KubernetesService) -> ServiceEndpoints {
        let KubernetesService { service, publish_not_ready, from_file, gateway: _ } = definition;
        let mut collected = Collected::default();
        let name = &service.metadata.object.name;
        let mut slices = self.joins.slices_of_service.of(name).peekable();
        // Where no cluster makes slices, the selector is all there is.
        let derive = *from_file && slices.peek().is_none();
        for slice in slices {
            if let Some(Model::EndpointSlice(slice)) = self.store.model(slice) {
                self.add_slice(service, slice, &mut collected);
            }
        }
        for (object, workload) in self.selected(service) {
            match self.store.model(object) {
                Some(Model::WorkloadEntry(entry)) => {
                    for port in ports(service) {
                        if let Some(number) = entry_port(&entry.endpoint, port) {
                            collected.add(port, self.of_entry(&entry.endpoint, number, object, workload));
                        }
                    }
                }
                _ if derive => {
                    for port in ports(service) {
                        if let Some(number) = pod_port(workload, port) {
                            collected.extend(port, self.of_pod(workload, number, *publish_not_ready));
                        }
                    }
                }
                _ => {}
            }
        }
        collected.finish()
    }

    /// The endpoints of the service that `parts` are together.
    pub fn of_service_entries(&self, parts: &[Part<'_>], together: &Service) -> ServiceEndpoints {
        let mut collected = Collected::default();
        parts.iter().for_each(|part| self.add_service_entry(part, together, &mut collected));
        collected.finish()
    }

    fn add_service_entry(&self, part: &Part<'_>, together: &Service, collected: &mut Collected) {
        let Part { entry: ServiceEntry { services: _, endpoints, labels: _ }, service } = part;
        // A port of another name under the same number is another one, whose endpoints are not these.
        let counts =
            |port: &&ServicePort| together.port(port.number).is_some_and(|that| that.name == port.name);
        let ports = || ports(service).filter(counts);
        for endpoint in endpoints {
            let object = &service.metadata.object;
            for port in ports() {
                if let Some(number) = entry_port(endpoint, port) {
                    let mut endpoint = self.of_inline(endpoint, number, object, !service.external);
                    // The ServiceEntry is no workload.
                    endpoint.workload = Str::default();
                    collected.add(port, endpoint);
                }
            }
        }
        for (object, workload) in self.selected(service) {
            for port in ports() {
                match self.store.model(object) {
                    Some(Model::WorkloadEntry(entry)) => {
                        if let Some(number) = entry_port(&entry.endpoint, port) {
                            collected.add(port, self.of_entry(&entry.endpoint, number, object, workload));
                        }
                    }
                    _ => {
                        let number = port.target.unwrap_or(port.number);
                        collected.extend(port, self.of_pod(workload, number, false));
                    }
                }
            }
        }
        let by_name = matches!(service.resolution, Resolution::Dns | Resolution::DnsRoundRobin);
        if by_name && endpoints.is_empty() && service.selector.is_none() {
            // Without endpoints the host itself is resolved.
            for port in ports() {
                let address = EndpointAddress::Name(service.host.to_shared());
                let number = port.target.unwrap_or(port.number);
                collected.add(port, self.bare(address, number, service.namespace()));
            }
        }
    }

    /// The workloads that a service selects.
    fn selected(&self, service: &Service) -> Vec<(&ObjectRef, &Arc<Workload>)> {
        let Some(selector) = &service.selector else { return Vec::new() };
        let candidates = self.joins.selected(service.namespace(), selector);
        candidates
            .filter_map(|object| Some((object, self.mesh.workload(object)?)))
            .filter(|(_, workload)| selects(selector, &workload.labels))
            .collect()
    }

    fn add_slice(&self, service: &Service, slice: &EndpointSlice, collected: &mut Collected) {
        let EndpointSlice { service: _, ports: slice_ports, endpoints } = slice;
        for slice_port in slice_ports {
            let Some(port) = ports(service).find(|port| port.name == slice_port.name) else { continue };
            for endpoint in endpoints {
                collected.add(port, self.of_slice(service, endpoint, slice_port.number));
            }
        }
    }

    fn of_slice(&self, service: &Service, endpoint: &SliceEndpoint, number: u16) -> Endpoint {
        let SliceEndpoint { address, health, pod: name, node, zone, hostname } = endpoint;
        let mut made = self.bare(EndpointAddress::Ip(*address), number, service.namespace());
        made.health = *health;
        made.node = node.clone();
        made.hostname = hostname.clone();
        if let Some(name) = name {
            made.workload = name.name.clone();
            made.namespace = name.namespace.clone();
            if let Some(workload) = self.mesh.workload(&pod(name)) {
                made.locality = workload.locality.clone();
                made.labels = workload.labels.clone();
                made.service_account = workload.service_account.clone();
                made.network = workload.network.clone();
                made.mtls = workload.mtls && self.allows_mtls(&made);
                leave(&mut made);
                return made;
            }
        }
        made.locality = match self.store.model(&ObjectRef::new(Kind::Node, "", node.clone())) {
            Some(Model::Node(node)) => {
                let Node { locality } = &**node;
                locality.clone()
            }
            _ => Locality { zone: zone.clone(), ..Locality::default() },
        };
        made.network = self.mesh.config().network_of(&Str::default(), Some(*address), true);
        made
    }

    fn of_pod(&self, workload: &Workload, number: u16, publish_not_ready: bool) -> Option<Endpoint> {
        let address = workload.addresses.first()?;
        let healthy = workload.ready || publish_not_ready;
        let mut made = self.bare(EndpointAddress::Ip(*address), number, &workload.object.name.namespace);
        made.health = if healthy { Health::Healthy } else { Health::Unhealthy };
        made.locality = workload.locality.clone();
        made.labels = workload.labels.clone();
        made.service_account = workload.service_account.clone();
        made.workload = workload.object.name.name.clone();
        made.network = workload.network.clone();
        made.node = workload.node.clone();
        made.mtls = workload.mtls && self.allows_mtls(&made);
        leave(&mut made);
        Some(made)
    }

    fn of_entry(
        &self,
        endpoint: &InlineEndpoint,
        number: u16,
        object: &ObjectRef,
        workload: &Workload,
    ) -> Endpoint {
        let mut made = self.of_inline(endpoint, number, object, true);
        // The workload's labels are shared by all services that select it.
        made.labels = workload.labels.clone();
        leave(&mut made);
        made
    }

    /// `ours`: it is not outside the mesh.
    fn of_inline(&self, endpoint: &InlineEndpoint, number: u16, object: &ObjectRef, ours: bool) -> Endpoint {
        let InlineEndpoint {
            address,
            ports: _,
            labels,
            network: _,
            locality,
            weight,
            service_account,
            health,
        } = endpoint;
        let mut made = Endpoint {
            address: address.clone(),
            port: number,
            weight: *weight,
            health: *health,
            locality: locality.clone(),
            labels: labels.clone(),
            service_account: service_account.clone(),
            workload: object.name.name.clone(),
            namespace: object.name.namespace.clone(),
            network: endpoint.network_in(self.mesh.config(), ours),
            node: Str::default(),
            hostname: Str::default(),
            mtls: endpoint_accepts_mtls(labels, service_account),
        };
        made.mtls &= self.allows_mtls(&made);
        leave(&mut made);
        made
    }

    /// Whether PeerAuthentication lets the workload take mTLS on this port.
    fn allows_mtls(&self, endpoint: &Endpoint) -> bool {
        let Endpoint { namespace, labels, port, .. } = endpoint;
        self.mesh.peer_authentications().next().is_none()
            || self.mesh.peer_modes(namespace, labels).on_port(*port) != MtlsMode::Disable
    }

    fn bare(&self, address: EndpointAddress, port: u16, namespace: &Str) -> Endpoint {
        Endpoint {
            address,
            port,
            weight: 1,
            health: Health::Healthy,
            locality: Locality::default(),
            labels: self.no_labels.clone(),
            service_account: Str::default(),
            workload: Str::default(),
            namespace: namespace.clone(),
            network: Str::default(),
            node: Str::default(),
            hostname: Str::default(),
            mtls: false,
        }
    }
}
