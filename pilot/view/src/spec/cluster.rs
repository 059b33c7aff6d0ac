//! What a cluster depends on. Mirrors `envoy.config.cluster.v3.Cluster`.

use super::{NameLookup, Origins, Preference, UpstreamSocket};
use mesh_model::{
    ConnectionPool, Duration, Endpoint, EndpointAddress, Host, LoadBalancing, NamespacedName,
    OutlierDetection, ProxyProtocol, ProxySettings, RetryBudget, Str, Warmup,
};
use std::{net::IpAddr, sync::Arc};

/// A cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterSpec {
    /// `outbound|PORT|SUBSET|HOST`, `inbound|PORT||`, or one of the well-known names.
    pub name: Str,
    /// Its name in statistics, where that is another.
    pub stat_name: Option<Str>,
    /// Where its endpoints come from.
    pub discovery: ClusterDiscovery,
    /// What is spoken to them.
    pub protocol: UpstreamProtocol,
    /// `loadBalancer`, after overlay.
    pub load_balancing: LoadBalancing,
    /// `loadBalancer.warmup`, after overlay.
    pub warmup: Option<Warmup>,
    /// How localities count, beside the priorities of their endpoints.
    pub localities: Localities,
    /// `connectionPool`, after overlay.
    pub connection_pool: ConnectionPool,
    /// `outlierDetection`, after overlay.
    pub outlier_detection: Option<OutlierDetection>,
    /// `retryBudget`, after overlay.
    pub retry_budget: Option<RetryBudget>,
    /// `proxyProtocol`, after overlay.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// How connections are secured.
    pub socket: UpstreamSocket,
    /// From the mesh; the connection pool's own overrides it.
    pub connect_timeout: Duration,
    /// Bytes that a connection may fill; `None`: as Envoy has it.
    pub buffer_limit: Option<u32>,
    /// Whether names of HTTP/1 headers go out as they came in, not in lower case.
    pub keeps_header_case: bool,
    /// The service behind it, for metadata; `None` for the well-known clusters.
    pub service: Option<ServiceRef>,
    /// The DestinationRule that shaped it, for metadata.
    pub config: Option<NamespacedName>,
    /// Whom to tell when it is rejected.
    pub origins: Origins,
}

impl ClusterSpec {
    /// The same, as the proxy that it is for is set.
    pub fn of_proxy(self, settings: &ProxySettings) -> Self {
        Self {
            buffer_limit: settings.connections.cluster_buffer,
            keeps_header_case: settings.headers.keeps_case,
            ..self
        }
    }
}

/// How localities count. Mirrors `CommonLbConfig.locality_config_specifier`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Localities {
    /// As Envoy has it: not at all, or, where it knows its own replicas, as `ZoneAware`.
    Usual,
    /// Not even there.
    Ignored,
    /// They are weighed against each other, instead of all endpoints at once.
    Weighted,
    /// The client's own first, as far as that leaves no endpoint with more than its part. For that Envoy has to know its own replicas.
    ZoneAware {
        /// With fewer endpoints they do not count; `None`: as Envoy has it.
        min_cluster_size: Option<u32>,
    },
}

/// Where endpoints come from. Mirrors `Cluster.type`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClusterDiscovery {
    /// From the control plane, over ADS.
    Eds,
    /// The proxy resolves each name, and uses every answer.
    StrictDns {
        /// Names or addresses with their ports.
        endpoints: Arc<[Endpoint]>,
        /// Which of them come first.
        preference: Preference,
        /// How often.
        refresh: Duration,
    },
    /// The proxy resolves one name, and uses one answer at a time.
    LogicalDns {
        /// Exactly one.
        endpoints: Arc<[Endpoint]>,
        /// How often.
        refresh: Duration,
    },
    /// The proxy resolves the name that each request or connection asks for.
    Dynamic(NameLookup),
    /// To the address that the client asked for.
    OriginalDst {
        /// On this port instead of the client's.
        port: Option<u16>,
        /// From these source addresses, one of a version (inbound: 127.0.0.6, so that redirection rules know it); none: from any.
        sources: Vec<IpAddr>,
    },
    /// Exactly here.
    Static {
        /// The address.
        address: EndpointAddress,
        /// The port; 0 where the address has none.
        port: u16,
        /// From this source address, as above.
        source: Option<IpAddr>,
    },
    /// Nowhere: every request fails.
    Nowhere,
}

/// What is spoken upstream. Mirrors `HttpProtocolOptions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum UpstreamProtocol {
    /// Opaque bytes.
    Tcp,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, prior knowledge.
    Http2,
    /// What the client speaks: sniffed ports and `useClientProtocol`.
    Downstream,
}

/// The service that a cluster reaches. Goes into metadata `istio.services`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub struct ServiceRef {
    pub host: Host,
    pub name: Str,
    pub namespace: Str,
    pub subset: Str,
    /// Outside the mesh.
    pub external: bool,
}
