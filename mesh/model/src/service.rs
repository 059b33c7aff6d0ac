//! Services: what clients call, whether Kubernetes or a ServiceEntry defines it.

use crate::{ExportTo, Host, Labels, LocalityLb, Metadata, ObjectRef, Protocol, Str, Vip};
use serde::Serialize;
use std::net::IpAddr;

/// Who defines a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Registry {
    /// A Kubernetes Service.
    Kubernetes,
    /// A ServiceEntry.
    External,
}

/// How a client's proxy finds the endpoints: Istio's `Resolution`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum Resolution {
    /// The control plane sends the endpoints (EDS).
    Static,
    /// To the address that the client asked for (Envoy's ORIGINAL_DST).
    Passthrough,
    /// The proxy resolves names and uses every answer (STRICT_DNS).
    Dns,
    /// The proxy resolves one name and uses one answer at a time (LOGICAL_DNS).
    DnsRoundRobin,
    /// The proxy resolves the name that each request or connection asks for (a dynamic forward proxy).
    DynamicDns,
    /// Not at all: it is another name of this host (Kubernetes `ExternalName`). Requests for it are requests for that host.
    Alias(Host),
}

/// A service under one host name. A ServiceEntry with several hosts makes several services.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Service {
    /// The object that defines it.
    pub metadata: Metadata,
    /// Others that are part of it: ServiceEntries of its namespace that are alike.
    pub with: Vec<ObjectRef>,
    /// Fully qualified host name; may be a wildcard for ServiceEntries.
    pub host: Host,
    /// Who defines it.
    pub registry: Registry,
    /// Addresses at which clients call it. Empty: none (headless, or a ServiceEntry without addresses).
    pub vips: Vec<Vip>,
    /// Addresses that the control plane has allocated, where the object names none and may have some: for clients that are told
    /// these when they ask for the name. `None`: it is to have none.
    pub allocated: Option<Vec<IpAddr>>,
    /// Its ports, in the object's order.
    pub ports: Vec<ServicePort>,
    /// How endpoints are found.
    pub resolution: Resolution,
    /// A Kubernetes service without cluster IP: clients call the pods' own addresses.
    pub headless: bool,
    /// Outside the mesh (`MESH_EXTERNAL`): never mTLS, never the mesh's own identity.
    pub external: bool,
    /// Who may see it.
    pub export_to: ExportTo,
    /// Which workloads are its endpoints; `None` when endpoints are listed by other means.
    pub selector: Option<Labels>,
    /// `subjectAltNames`: what a server's certificate must name, besides what is known of the endpoints' identities.
    pub subject_alt_names: Vec<Str>,
    /// Service accounts of its namespace that may serve it, besides those of its endpoints.
    pub accounts: Vec<Str>,
    /// `internalTrafficPolicy: Local`: only endpoints on the client's own node are called, even when there are none.
    pub node_local: bool,
    /// `trafficDistribution`: which endpoints its clients prefer, unless their DestinationRule says so.
    pub distribution: Option<LocalityLb>,
}

impl Service {
    /// All objects that define it, the one that counts where they differ first.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        std::iter::once(&self.metadata.object).chain(&self.with)
    }

    /// Its namespace.
    pub fn namespace(&self) -> &Str {
        self.metadata.namespace()
    }

    /// The host that it is another name of.
    pub fn alias_of(&self) -> Option<&Host> {
        match &self.resolution {
            Resolution::Alias(target) => Some(target),
            Resolution::Static
            | Resolution::Passthrough
            | Resolution::Dns
            | Resolution::DnsRoundRobin
            | Resolution::DynamicDns => None,
        }
    }

    /// The port numbered `number`.
    pub fn port(&self, number: u16) -> Option<&ServicePort> {
        self.ports.iter().find(|port| port.number == number)
    }
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct ServicePort {
    /// The number that clients call.
    pub number: u16,
    /// Its name; empty when it has none.
    pub name: Str,
    /// What is spoken.
    pub protocol: Protocol,
    /// The port on the workload when it is a number there (ServiceEntry `targetPort`, Kubernetes numeric `targetPort`).
    /// `None` for a named Kubernetes target port: it is resolved per endpoint.
    pub target: Option<u16>,
    /// The name of the container port, when the target is a name; empty otherwise.
    pub target_name: Str,
}
