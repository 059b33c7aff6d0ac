//! Who asks for configuration.

use crate::spec::ListenerAddress;
use mesh_model::{ConnectionSettings, Duration, Labels, Locality, Mesh, ObjectRef, ProxySettings, Str};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
};

/// A connected sidecar, as its node metadata and, where known, its workload describe it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Proxy {
    /// `<pod>.<namespace>`: how people name it.
    pub name: Str,
    /// The pod or WorkloadEntry it stands beside, when the mesh knows it.
    pub workload: Option<ObjectRef>,
    /// Its namespace.
    pub namespace: Str,
    /// Its labels.
    pub labels: Arc<Labels>,
    /// Its addresses, the primary one first.
    pub addresses: Vec<IpAddr>,
    /// Where it runs.
    pub locality: Locality,
    /// Its network; empty: it is not known.
    pub network: Str,
    /// How traffic gets to it.
    pub capture: Capture,
    /// What it asks of its listeners.
    pub options: Arc<NodeOptions>,
    /// Whether it has a certificate, which its agent hands to it over SDS. Without one it speaks and takes plaintext alone.
    pub has_identity: bool,
    /// Whether its workload's DNS queries are answered with addresses that only the mesh knows.
    pub dns_capture: bool,
    /// Its ProxyConfig, if it brings one along; `None`: that of the mesh.
    pub settings: Option<Arc<ProxySettings>>,
    /// What its Envoy calls itself (`node.cluster`); traces name it so.
    pub cluster: Str,
    /// Whether its Envoy asks for its own workload's replicas, to know how many of them are in which zone.
    pub self_discovery: bool,
}

impl Capture {
    /// Where a listener is that is to be at `wanted`, or else at `usual`. Where several workloads share a machine, each has an address
    /// that stands for its loopback and for all of its own.
    pub(crate) fn bind(&self, wanted: Option<IpAddr>, usual: IpAddr) -> IpAddr {
        match (wanted, self.shared_machine()) {
            (Some(wanted), Some(own)) if wanted.is_loopback() || wanted.is_unspecified() => own,
            (Some(wanted), _) => wanted,
            (None, _) => usual,
        }
    }

    /// Where a proxy that redirects nothing takes what its own workload sends; `None`: wherever that is sent to. Whoever reached it
    /// there would speak with the workload's identity: so it is the loopback address, as in Istio, or what stands for it.
    pub(crate) fn own_door(&self) -> Option<IpAddr> {
        let Capture::None { bind, application: _ } = self else { return None };
        let localhost = match bind {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        };
        Some(self.shared_machine().unwrap_or(localhost))
    }

    /// The address that stands for the loopback of a workload that shares its machine with others.
    fn shared_machine(&self) -> Option<IpAddr> {
        let Capture::None { bind, application } = self else { return None };
        (*application != IpAddr::V4(Ipv4Addr::LOCALHOST)).then_some(*bind)
    }
}

/// The versions of IP that a proxy's workload speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Families {
    V4,
    V6,
    Both,
}

impl Families {
    /// The address that stands for any, by which shared listeners are named.
    pub fn any(self) -> IpAddr {
        match self {
            Families::V4 | Families::Both => Ipv4Addr::UNSPECIFIED.into(),
            Families::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Where a listener at `port` of `address` is: one for any address is for any of either version.
    pub fn listening(self, address: IpAddr, port: u16) -> ListenerAddress {
        let additional = match self {
            Families::Both if address == self.any() => vec![Ipv6Addr::UNSPECIFIED.into()],
            Families::V4 | Families::V6 | Families::Both => Vec::new(),
        };
        ListenerAddress::Port { address, additional, port }
    }
}

impl Proxy {
    /// What its ProxyConfig says.
    pub fn settings<'a>(&'a self, mesh: &'a Mesh) -> &'a Arc<ProxySettings> {
        self.settings.as_ref().unwrap_or(&mesh.config().proxy)
    }

    /// The versions of IP that its workload speaks: those of its addresses.
    pub fn families(&self) -> Families {
        let has = |wanted: fn(&IpAddr) -> bool| self.addresses.iter().any(wanted);
        match (has(IpAddr::is_ipv4), has(IpAddr::is_ipv6)) {
            (_, false) => Families::V4,
            (false, true) => Families::V6,
            (true, true) => Families::Both,
        }
    }
}

/// What a proxy says of its listeners in its node metadata, where Istio has no other place for it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeOptions {
    /// `HTTP_PROXY_PORT`: where it serves as HTTP proxy; `None`: where the mesh says.
    pub http_proxy_port: Option<u16>,
    /// `HTTP10`: whether requests of HTTP/1.0 are answered.
    pub accepts_http10: bool,
    /// `IDLE_TIMEOUT`: for how long nothing may happen on a connection, where no setting of the mesh or of a host says it.
    pub idle_timeout: Option<Duration>,
    /// `INBOUND_LISTENER_EXACT_BALANCE`: whether connections that come in are shared equally among Envoy's threads.
    pub balances_inbound: bool,
    /// `OUTBOUND_LISTENER_EXACT_BALANCE`: the same for those to services.
    pub balances_outbound: bool,
    /// `INTERCEPTION_MODE: TPROXY`: whether what is redirected keeps its addresses, so that the workload sees those of its clients.
    pub transparent: bool,
}

impl NodeOptions {
    /// Limits of clients' connections: `settings`, and what this says where they leave it open.
    pub(crate) fn limit(&self, settings: &Arc<ConnectionSettings>) -> Arc<ConnectionSettings> {
        match (settings.idle_timeout, self.idle_timeout) {
            (None, Some(_)) => {
                let settings = ConnectionSettings::clone(settings);
                Arc::new(ConnectionSettings { idle_timeout: self.idle_timeout, ..settings })
            }
            (Some(_), _) | (None, None) => settings.clone(),
        }
    }
}

/// How a workload's traffic gets into its proxy. Istio's interception mode.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Capture {
    /// Redirected by the kernel to virtualOutbound and virtualInbound (`REDIRECT` and `TPROXY`).
    Redirect,
    /// Not at all (`NONE`): the proxy listens on addresses that clients call explicitly.
    None {
        /// Where it listens: the pod address.
        bind: IpAddr,
        /// Where the application listens.
        application: IpAddr,
    },
}
