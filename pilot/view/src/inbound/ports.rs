//! The ports of a workload: what services send requests to, or what a Sidecar names.

use super::ingress;
use crate::{
    Capture, Proxy,
    stat_name::{Subject, stat_name},
};
use mesh_model::{
    EndpointAddress, LocalPort, Mesh, MtlsMode, ObjectRef, PeerModes, Protocol, Registry, ServerTls, Service,
    ServicePort, Sidecar, SidecarIngress, Str, Workload,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

pub type Ports<'a> = BTreeMap<u16, InboundPort<'a>>;

/// A port of the workload.
pub struct InboundPort<'a> {
    /// Its number on the workload.
    pub target: u16,
    /// What is spoken there.
    pub protocol: Protocol,
    /// The service that sends requests to it, if there is one.
    pub service: Option<OfService<'a>>,
    /// What a Sidecar says of it.
    pub sidecar: Option<&'a Arc<Sidecar>>,
    /// The Sidecar's entry that it is.
    pub ingress: Option<&'a SidecarIngress>,
}

impl InboundPort<'_> {
    /// The address of a listener of its own, as far as it is known here; `None`: it is part of virtualInbound.
    pub fn own_listener(&self) -> Option<Option<IpAddr>> {
        let port = &self.ingress?.port;
        port.at.is_bound.then_some(port.at.bind)
    }

    /// The TLS that the proxy ends for clients outside the mesh: as Istio, where nothing of the mesh is taken.
    pub fn given_tls(&self, modes: &PeerModes) -> Option<&ServerTls> {
        let tls = self.ingress?.tls.as_ref()?;
        (modes.on_port(self.target) == MtlsMode::Disable).then_some(tls)
    }

    pub fn origins(&self) -> impl Iterator<Item = &ObjectRef> {
        let service = self.service.iter().flat_map(|of| of.service.objects());
        service.chain(self.ingress.and(self.sidecar).map(|sidecar| &sidecar.metadata.object))
    }
}

/// A service, and one of its ports.
pub struct OfService<'a> {
    pub service: &'a Arc<Service>,
    pub port: &'a ServicePort,
}

impl OfService<'_> {
    /// What the cluster is called in statistics, where the mesh has a pattern for that.
    pub fn stat_name(&self, pattern: &str) -> Option<Str> {
        let Self { service, port } = self;
        stat_name(pattern, Subject { service, port, subset: "" })
    }
}

/// What services make of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Standing {
    /// Some service sends requests to it.
    pub is_served: bool,
    /// Two services send requests to one of its ports, and disagree about what is spoken there.
    pub is_disputed: bool,
}

/// The workload's ports that services send requests to; of services that disagree about a port the oldest is right. Where nothing
/// is redirected, also those that its containers declare: when a service moves to one, its clients may know before this proxy does.
pub fn ports<'a>(mesh: &'a Mesh, proxy: &Proxy) -> (Ports<'a>, Standing) {
    let sidecar = mesh.sidecar_for(&proxy.namespace, &proxy.labels);
    let (mut ports, standing) = served(mesh, proxy, sidecar);
    if let Some(sidecar) = sidecar.filter(|sidecar| !sidecar.ingress.is_empty()) {
        return (ingress::ports(sidecar), Standing { is_disputed: false, ..standing });
    }
    let workload = proxy.workload.as_ref().and_then(|object| mesh.workload(object));
    let local = workload.and_then(|workload| workload.local.as_ref());
    if let (Capture::None { .. }, Some(local)) = (&proxy.capture, local) {
        for LocalPort { number, protocol } in local.ports.iter().filter(|port| port.protocol != Protocol::Udp)
        {
            let entry =
                InboundPort { target: *number, protocol: *protocol, service: None, sidecar, ingress: None };
            ports.entry(*number).or_insert(entry);
        }
    }
    (ports, standing)
}

/// Those that services send requests to.
fn served<'a>(mesh: &'a Mesh, proxy: &Proxy, sidecar: Option<&'a Arc<Sidecar>>) -> (Ports<'a>, Standing) {
    let workload = proxy.workload.as_ref().and_then(|object| mesh.workload(object));
    let mut services: Vec<_> = mesh.services_of_namespace(&proxy.namespace).collect();
    services.sort_by_key(|service| service.metadata.precedence());
    let mut ports = Ports::new();
    let mut standing = Standing::default();
    for service in services {
        let selected = service.selector.as_ref().map(|selector| {
            !selector.is_empty() && selector.iter().all(|(key, value)| proxy.labels.get(key) == Some(value))
        });
        for port in service.ports.iter().filter(|port| port.protocol != Protocol::Udp) {
            let target = match selected {
                Some(false) => None,
                Some(true) if !port.target_name.is_empty() => {
                    workload.and_then(|workload| named(workload, &port.target_name))
                }
                // A WorkloadEntry says where it serves the ports of ServiceEntries, by their names.
                Some(true) if service.registry == Registry::External => Some(
                    workload
                        .and_then(|workload| named(workload, &port.name))
                        .unwrap_or(port.target.unwrap_or(port.number)),
                ),
                Some(true) => Some(port.target.unwrap_or(port.number)),
                // Endpoints listed by hand: the one at the proxy's own address.
                None => mesh.endpoints(service).and_then(|endpoints| {
                    let own = |address: &EndpointAddress| matches!(address, EndpointAddress::Ip(ip) if proxy.addresses.contains(ip));
                    endpoints.on_port(port.number).iter().find(|endpoint| own(&endpoint.address)).map(|endpoint| endpoint.port)
                }),
            };
            if let Some(target) = target {
                let older = ports.get(&target).and_then(|port: &InboundPort<'_>| port.service.as_ref());
                standing.is_disputed |= older.is_some_and(|older| {
                    older.service.host != service.host && older.port.protocol != port.protocol
                });
                let of = OfService { service, port };
                let entry = InboundPort {
                    target,
                    protocol: port.protocol,
                    service: Some(of),
                    sidecar,
                    ingress: None,
                };
                ports.entry(target).or_insert(entry);
                standing.is_served = true;
            }
        }
    }
    (ports, standing)
}

/// The port of `workload` that has this name.
fn named(workload: &Workload, wanted: &str) -> Option<u16> {
    workload.named_ports.iter().find(|(name, _)| **name == *wanted).map(|(_, number)| *number)
}

/// The ports on which a proxy that redirects nothing listens for its workload.
pub fn own_ports(mesh: &Mesh, proxy: &Proxy) -> BTreeSet<u16> {
    match proxy.capture {
        Capture::Redirect => BTreeSet::new(),
        Capture::None { .. } => ports(mesh, proxy).0.into_keys().collect(),
    }
}
