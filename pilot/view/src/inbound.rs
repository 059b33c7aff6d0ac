//! Inbound: how requests reach the workload beside the proxy, and who its replicas are.
//!
//! Depends on the services that select the workload, not on its name or address (unless traffic is not redirected), so
//! that all replicas of a Deployment have equal inbound configuration.

mod chains;
mod ingress;
mod listeners;
mod ports;
mod replicas;
mod requests;

pub use ports::{Standing, own_ports};
pub use replicas::{LOCAL_CLUSTER, is_replica};

use crate::{
    Capture, Proxy, Scope, ScopeKey,
    spec::{ClusterDiscovery, ClusterSpec, EndpointsSpec, ListenerSpec, TracingSpec, UpstreamProtocol},
    well_known::{INBOUND_SOURCE, inbound_sources, plain_cluster, pool_as_spoken},
};
use listeners::Listening;
use mesh_model::{
    AccessLog, AccessLogger, EndpointAddress, InboundPolicy, Mesh, MeshTracing, ObjectRef, Protocol, Str,
};
use ports::{InboundPort, OfService, Ports};
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

/// How the names of all clusters begin to which the routes of inbound listeners lead.
pub const INBOUND_CLUSTERS: &str = "inbound|";

/// All of a workload's inbound configuration.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct Inbound {
    pub listeners: Vec<ListenerSpec>,
    pub clusters: Vec<ClusterSpec>,
    /// Of its own replicas, where its Envoy asks for them.
    pub endpoints: Option<EndpointsSpec>,
    /// What services make of the workload: nothing that its Envoy is told.
    pub standing: Standing,
}

/// The inbound configuration of `proxy`.
pub fn inbound(mesh: &Mesh, proxy: &Proxy) -> Inbound {
    let config = mesh.config();
    let (mut ports, standing) = ports::ports(mesh, proxy);
    let (tracing, access_log) = told(mesh, proxy);
    let modes = mesh.peer_modes(&proxy.namespace, &proxy.labels);
    let listening = Listening { mesh, proxy, modes, tracing, access_log };
    for port in ports.values_mut() {
        if port.given_tls(&listening.modes).is_some() {
            port.protocol = port.protocol.within_tls();
        }
    }
    let passthrough =
        ClusterDiscovery::OriginalDst { port: None, sources: inbound_sources(proxy.families()) };
    let mut clusters: Vec<ClusterSpec> = Vec::with_capacity(ports.len() + 1);
    for entry in ports.values() {
        let discovery = ingress::discovery(entry, proxy).unwrap_or_else(|| match &proxy.capture {
            Capture::Redirect => match config.inbound_policy {
                InboundPolicy::Passthrough => passthrough.clone(),
                InboundPolicy::Localhost => at(Ipv4Addr::LOCALHOST.into(), entry.target),
            },
            Capture::None { bind: _, application } => at(*application, entry.target),
        });
        clusters.push(port_cluster(mesh, proxy, entry, discovery));
    }
    let listeners = match &proxy.capture {
        Capture::Redirect => {
            clusters.push(plain_cluster(
                mesh,
                "InboundPassthroughCluster",
                passthrough,
                UpstreamProtocol::Downstream,
            ));
            let own = ports.values().filter_map(|port| {
                let bind = port.own_listener()?.unwrap_or(Ipv4Addr::UNSPECIFIED.into());
                Some(listening.bound(bind, port))
            });
            std::iter::once(listening.virtual_inbound(&ports)).chain(own).collect()
        }
        Capture::None { bind, application: _ } => {
            let own = |port: &InboundPort<'_>| port.ingress.and_then(|ingress| ingress.port.at.bind);
            ports.values().map(|port| listening.bound(proxy.capture.bind(own(port), *bind), port)).collect()
        }
    };
    let settings = proxy.settings(mesh);
    let clusters = clusters.into_iter().map(|cluster| cluster.of_proxy(settings)).collect();
    Inbound { listeners, clusters, endpoints: replicas::replicas(mesh, proxy), standing }
}

/// Who is told of requests: of their spans, and of accesses.
fn told(mesh: &Mesh, proxy: &Proxy) -> (Option<Arc<TracingSpec>>, Option<Arc<AccessLog>>) {
    let config = mesh.config();
    let only_files = || {
        config.access_log.iter().flat_map(|log| &log.loggers).all(|by| matches!(by, AccessLogger::File(_)))
    };
    // What is seen is not looked at where nobody has to be seen.
    if config.tracing == MeshTracing::Off && only_files() {
        return (None, config.access_log.clone());
    }
    let key = ScopeKey::of(mesh, proxy);
    let scope = Scope::new(mesh, &key);
    (scope.tracing(), scope.access_log())
}

/// Where requests go that came for `entry`.
fn port_cluster(
    mesh: &Mesh,
    proxy: &Proxy,
    entry: &InboundPort<'_>,
    discovery: ClusterDiscovery,
) -> ClusterSpec {
    let protocol = match entry.protocol {
        Protocol::Auto => UpstreamProtocol::Downstream,
        protocol if protocol.is_http2() => UpstreamProtocol::Http2,
        protocol if protocol.is_http() => UpstreamProtocol::Http1,
        _ => UpstreamProtocol::Tcp,
    };
    let pattern = &mesh.config().inbound_stat_name;
    ClusterSpec {
        origins: origins(entry.origins()),
        stat_name: entry.service.as_ref().and_then(|of| of.stat_name(pattern)),
        // The application speaks what its port says.
        connection_pool: pool_as_spoken(mesh, ingress::own_pool(mesh, proxy, entry)),
        ..plain_cluster(mesh, &cluster_name(entry.target), discovery, protocol)
    }
}

fn at(address: IpAddr, port: u16) -> ClusterDiscovery {
    ClusterDiscovery::Static { address: EndpointAddress::Ip(address), port, source: None }
}

fn cluster_name(target: u16) -> Str {
    format!("{INBOUND_CLUSTERS}{target}||").into()
}

fn origins<'a>(objects: impl Iterator<Item = &'a ObjectRef>) -> crate::spec::Origins {
    let mut origins: Vec<_> = objects.cloned().collect();
    origins.sort();
    origins.dedup();
    origins.into()
}
