//! Sidecar: where a workload's proxy listens, and what it may see.

use crate::{
    ConnectionPool, Destination, EndpointAddress, Host, Labels, Metadata, OutboundPolicy, Protocol,
    ServerTls, Str,
};
use serde::Serialize;
use std::net::IpAddr;

/// Istio's Sidecar.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Sidecar {
    /// The object.
    pub metadata: Metadata,
    /// Workloads of its namespace that it applies to; `None`: all of them.
    pub selector: Option<Labels>,
    /// Where the workload is reached. Empty: at the ports of its services.
    pub ingress: Vec<SidecarIngress>,
    /// Limits for connections to the workload, where an entry of `ingress` has none of its own.
    pub inbound_pool: Option<ConnectionPool>,
    /// What is visible. Empty: everything (as Istio when `egress` is left out).
    pub egress: Vec<SidecarEgress>,
    /// Overrides the mesh's policy for unknown destinations.
    pub outbound_policy: Option<OutboundPolicy>,
    /// `outboundTrafficPolicy.egressProxy`: where traffic for unknown destinations goes when it is let through.
    pub egress_proxy: Option<Destination>,
}

/// One `ingress` entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SidecarIngress {
    /// Its place in the object.
    pub index: usize,
    /// Where the proxy listens.
    pub port: SidecarPort,
    /// What is spoken.
    pub protocol: Protocol,
    /// Where requests go; `None`: to the port that they came for.
    pub endpoint: Option<IngressEndpoint>,
    /// `connectionPool`, in place of the Sidecar's.
    pub pool: Option<ConnectionPool>,
    /// `tls`: where PeerAuthentication has mTLS off.
    pub tls: Option<ServerTls>,
}

/// `ingress.defaultEndpoint`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum IngressEndpoint {
    /// `127.0.0.1:PORT` or `[::1]:PORT`.
    Loopback(u16),
    /// `0.0.0.0:PORT` or `[::]:PORT`: the workload's own address.
    Workload(u16),
    /// `unix:///path`.
    Unix(Str),
}

impl IngressEndpoint {
    /// The address, for a workload at `own` whose loopback address is `loopback`.
    pub fn address(&self, loopback: IpAddr, own: IpAddr) -> (EndpointAddress, u16) {
        match self {
            IngressEndpoint::Loopback(port) => (EndpointAddress::Ip(loopback), *port),
            IngressEndpoint::Workload(port) => (EndpointAddress::Ip(own), *port),
            IngressEndpoint::Unix(path) => (EndpointAddress::Unix(path.clone()), 0),
        }
    }
}

/// The listener of an `egress` entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SidecarListener {
    /// Where the proxy listens.
    pub place: ListenerPlace,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether clients speak to it as to an HTTP proxy (`HTTP_PROXY`).
    pub is_proxy: bool,
}

/// Where a proxy listens for its workload's own connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum ListenerPlace {
    /// At a port.
    Port(SidecarPort),
    /// At the own ports of all services that no other entry has a listener for, but not at their addresses.
    Each(SidecarAddress),
    /// At a Unix domain socket, by its path; `@` begins an abstract one. Nothing is ever redirected there.
    Unix(Str),
}

/// The number of a `port`, with `bind` and `captureMode` beside it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SidecarPort {
    /// Number.
    pub number: u16,
    /// Where the port is.
    pub at: SidecarAddress,
}

/// `bind` and `captureMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SidecarAddress {
    /// The address; `None`: as such listeners have.
    pub bind: Option<IpAddr>,
    /// Whether traffic comes to the listener itself (`captureMode: NONE`), instead of being redirected.
    pub is_bound: bool,
}

impl SidecarListener {
    /// Its port; `None`: it is at a Unix domain socket, or at many.
    pub fn port(&self) -> Option<&SidecarPort> {
        match &self.place {
            ListenerPlace::Port(port) => Some(port),
            ListenerPlace::Each(_) | ListenerPlace::Unix(_) => None,
        }
    }

    /// Whether clients may mean any port of a service there, and say which by the authorities of their requests.
    pub fn has_all_ports(&self) -> bool {
        self.is_proxy || matches!(self.place, ListenerPlace::Unix(_))
    }
}

/// One `egress` entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SidecarEgress {
    /// Where they are called; `None`: at their own ports and addresses.
    pub listener: Option<SidecarListener>,
    /// The services it imports, in the object's order.
    pub hosts: Vec<EgressHost>,
    /// Those of them that it does not import after all (`~namespace/dnsName`), in the object's order.
    pub excluded: Vec<EgressHost>,
}

/// One `namespace/dnsName` of `egress.hosts`, short forms resolved, without the `~` of those that are left out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct EgressHost {
    /// Whose. `~/*` (nobody's) is dropped by ingest.
    pub namespace: EgressNamespace,
    /// The host, possibly a wildcard.
    pub host: Host,
}

/// The namespaces that an `egress.hosts` entry is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum EgressNamespace {
    /// `*`: any.
    Any,
    /// `.`: the workload's own, which is not the Sidecar's when that is the root namespace's default.
    Own,
    /// This one.
    Named(Str),
}

impl EgressHost {
    /// The namespace whose services clients of namespace `client` import by this; `None` for any.
    pub fn namespace_for<'a>(&'a self, client: &'a str) -> Option<&'a str> {
        match &self.namespace {
            EgressNamespace::Any => None,
            EgressNamespace::Own => Some(client),
            EgressNamespace::Named(name) => Some(name),
        }
    }
}

impl Sidecar {
    /// Whether clients of namespace `client` import the service or virtual service `host` of `namespace`.
    pub fn imports(&self, client: &str, namespace: &str, host: &Host) -> bool {
        self.egress.is_empty() || self.egress.iter().any(|egress| egress.imports(client, namespace, host))
    }

    /// Whether an entry says that `host` of `namespace` is left out.
    pub fn leaves_out(&self, client: &str, namespace: &str, host: &Host) -> bool {
        self.egress.iter().any(|egress| egress.leaves_out(client, namespace, host))
    }

    /// The listeners at which clients of namespace `client` call port `port` of the service `host` of `namespace`: `None` is the
    /// service's own address. A port that one entry has a listener for is no other entry's.
    pub fn listeners(
        &self,
        client: &str,
        namespace: &str,
        host: &Host,
        port: u16,
    ) -> Vec<Option<&SidecarListener>> {
        if self.egress.is_empty() {
            return vec![None];
        }
        let mut listeners = self.egress.iter().filter_map(|egress| egress.listener.as_ref());
        let at_port = |listener: &SidecarListener| listener.port().is_some_and(|own| own.number == port);
        let taken = listeners.any(at_port);
        let imported = self.egress.iter().filter(|egress| egress.imports(client, namespace, host));
        let of_entries = imported.filter_map(|egress| match &egress.listener {
            None => (!taken).then_some(None),
            Some(listener) if matches!(listener.place, ListenerPlace::Each(_)) => {
                (!taken).then_some(Some(listener))
            }
            Some(listener) => (listener.has_all_ports() || at_port(listener)).then_some(Some(listener)),
        });
        of_entries.collect()
    }
}

impl SidecarEgress {
    fn imports(&self, client: &str, namespace: &str, host: &Host) -> bool {
        let of_namespace =
            |egress: &&EgressHost| egress.namespace_for(client).is_none_or(|wanted| wanted == namespace);
        self.hosts.iter().filter(of_namespace).any(|egress| egress.host.overlaps(host))
            && !self.leaves_out(client, namespace, host)
    }

    fn leaves_out(&self, client: &str, namespace: &str, host: &Host) -> bool {
        let of_namespace =
            |egress: &&EgressHost| egress.namespace_for(client).is_none_or(|wanted| wanted == namespace);
        self.excluded.iter().filter(of_namespace).any(|egress| egress.host.covers(host))
    }
}
