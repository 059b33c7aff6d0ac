//! What a Sidecar says of how its workload is reached: at which ports, where requests go, and how many at once.
//!
//! Where it names ports, these are all that there are, as in Istio: what services say does not count then.

use super::{INBOUND_SOURCE, InboundPort, OfService, Ports};
use crate::{Capture, Proxy, Scope, ScopeKey, spec::ClusterDiscovery};
use mesh_model::{ConnectionPool, EndpointAddress, Mesh, Sidecar, SidecarIngress};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// The ports that `sidecar` names.
pub fn ports(sidecar: &Arc<Sidecar>) -> Ports<'_> {
    let mut ports = Ports::new();
    for ingress in &sidecar.ingress {
        let SidecarIngress { index: _, port, protocol, endpoint: _, pool: _, tls: _ } = ingress;
        let entry = InboundPort {
            target: port.number,
            protocol: *protocol,
            service: None,
            sidecar: Some(sidecar),
            ingress: Some(ingress),
        };
        ports.insert(port.number, entry);
    }
    ports
}

/// Where requests go, when the Sidecar says so.
pub fn discovery(entry: &InboundPort<'_>, proxy: &Proxy) -> Option<ClusterDiscovery> {
    let endpoint = entry.ingress?.endpoint.as_ref()?;
    let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let (loopback, own) = match &proxy.capture {
        Capture::Redirect => (localhost, proxy.addresses.first().copied().unwrap_or(localhost)),
        Capture::None { bind: _, application } if *application != localhost => {
            // Several workloads share this machine, each with an address that stands for its loopback and its own.
            (*application, *application)
        }
        Capture::None { bind, application: _ } => (localhost, *bind),
    };
    let (address, port) = endpoint.address(loopback, own);
    // Else redirection would bring it back.
    let comes_back = proxy.capture == Capture::Redirect
        && matches!(&address, EndpointAddress::Ip(address) if !address.is_loopback());
    Some(ClusterDiscovery::Static { address, port, source: comes_back.then_some(INBOUND_SOURCE) })
}

/// The limits of connections to the workload: the entry's, the Sidecar's, or those that clients of the service keep, so that both sides
/// are made for the same load.
pub fn own_pool(mesh: &Mesh, proxy: &Proxy, entry: &InboundPort<'_>) -> Option<ConnectionPool> {
    sidecar_pool(entry).cloned().or_else(|| {
        let OfService { service, port } = entry.service.as_ref()?;
        let key = ScopeKey::of(mesh, proxy);
        let rule = Scope::new(mesh, &key).destination_rule(service)?;
        rule.policy.for_port(None, port.number).connection_pool
    })
}

/// What the Sidecar says of them, for the entry or for all.
pub fn sidecar_pool<'a>(entry: &InboundPort<'a>) -> Option<&'a ConnectionPool> {
    let by_entry = entry.ingress.and_then(|ingress| ingress.pool.as_ref());
    by_entry.or(entry.sidecar.and_then(|sidecar| sidecar.inbound_pool.as_ref()))
}
