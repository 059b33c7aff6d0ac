//! Mesh-wide settings: the part of Istio's MeshConfig that has an effect today.

use crate::{
    AccessLog, ClientTls, ConnectionPool, DefaultExports, Duration, EntryVisibility, Host, LabelSelector,
    Labels, LocalityLb, MeshTracing, Network, OutlierDetection, ProxySettings, ProxyStart, Retries, Str,
    TcpKeepalive, TlsLimits,
};
use serde::Serialize;
use std::sync::Arc;

/// What happens to traffic for destinations that no service names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum OutboundPolicy {
    /// Let it through.
    AllowAny,
    /// The same, and HTTP proxies look the names up that requests ask for (`ALLOW_ANY_DYNAMIC_DNS`).
    AllowAnyDynamicDns,
    /// Only registered services are reachable.
    RegistryOnly,
}

/// `inboundTrafficPolicy.mode`: where requests for a workload's ports go, where they are redirected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum InboundPolicy {
    /// To the address that the client called.
    #[default]
    Passthrough,
    /// To 127.0.0.1, for applications that listen nowhere else.
    Localhost,
}

/// `pathNormalization.normalization`: what becomes of a path before it is matched and sent on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub enum PathNormalization {
    /// Nothing.
    None,
    /// `BASE` and `DEFAULT`: `.` and `..` are resolved, and `\` is `/`.
    #[default]
    Base,
    /// Also several slashes are one.
    MergeSlashes,
    /// Also `%2F` and `%5C` are slashes.
    DecodeAndMergeSlashes,
}

/// `defaultTrafficPolicy`: what holds where no DestinationRule has the block.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[allow(missing_docs)]
pub struct DefaultTrafficPolicy {
    pub connection_pool: Option<ConnectionPool>,
    pub outlier_detection: Option<OutlierDetection>,
}

/// An entry of `caCertificates`: roots that workloads trust besides those of the mesh's own authority.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct TrustedRoots {
    /// Certificates.
    pub pem: Str,
    /// `certSigners`: signers of the Kubernetes API whose roots they are.
    pub cert_signers: Vec<Str>,
}

/// Istio's MeshConfig (`mesh` in ConfigMap `istio`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct MeshConfig {
    /// DNS suffix of the cluster; a flag in Istio (`--domain`).
    pub domain: Str,
    /// `rootNamespace`: its objects are defaults for all namespaces.
    pub root_namespace: Str,
    /// `connectTimeout`.
    pub connect_timeout: Duration,
    /// `outboundTrafficPolicy.mode`.
    pub outbound_policy: OutboundPolicy,
    /// `outboundTrafficPolicy.tls`: how connections to hosts are secured that no service names and that are looked up.
    pub outbound_tls: ClientTls,
    /// `protocolDetectionTimeout`; zero waits for ever.
    pub protocol_detection_timeout: Duration,
    /// `dnsRefreshRate`.
    pub dns_refresh_rate: Duration,
    /// `proxyListenPort`: virtualOutbound.
    pub outbound_port: u16,
    /// `proxyInboundListenPort`: virtualInbound.
    pub inbound_port: u16,
    /// `defaultHttpRetryPolicy`; `None`: Istio's built-in default.
    pub default_retries: Option<Retries>,
    /// `defaultTrafficPolicy`.
    pub default_policy: DefaultTrafficPolicy,
    /// `localityLbSetting`, or `zoneAwareLbSetting`, which wins: for clusters whose own policy says nothing.
    pub locality: LocalityLb,
    /// `accessLogFile` and what belongs to it, or the providers that are told instead; `None`: nothing is logged.
    pub access_log: Option<Arc<AccessLog>>,
    /// `tcpKeepalive`: of connections whose own settings leave it open, value by value.
    pub keepalive: Option<TcpKeepalive>,
    /// `h2UpgradePolicy`: whether HTTP/2 is spoken to services whose ports are declared as HTTP/1.1.
    pub h2_upgrade: bool,
    /// `pathNormalization`.
    pub path_normalization: PathNormalization,
    /// `inboundTrafficPolicy`.
    pub inbound_policy: InboundPolicy,
    /// `outboundClusterStatName`; empty: clusters go by their names.
    pub outbound_stat_name: Str,
    /// `inboundClusterStatName`; empty: clusters go by their names.
    pub inbound_stat_name: Str,
    /// `proxyHttpPort`: where proxies that do not say so themselves serve as HTTP proxies; `None`: nowhere.
    pub http_proxy_port: Option<u16>,
    /// `defaultServiceExportTo` and its siblings.
    pub exports: DefaultExports,
    /// The Kubernetes cluster that this is in: istiod's `--clusterID`.
    pub cluster: Str,
    /// `trustDomain`: the first part of the identities of this mesh.
    pub trust_domain: Str,
    /// `trustDomainAliases`: those of other meshes, whose workloads count as this one's.
    pub trust_domain_aliases: Vec<Str>,
    /// `caCertificates`: for the certificate authority, which hands them out.
    pub ca_certificates: Vec<TrustedRoots>,
    /// `enableAutoMtls`: whether clients speak mTLS to endpoints that take it, where no DestinationRule says what to do.
    pub auto_mtls: bool,
    /// `meshMTLS`: of mTLS between workloads.
    pub mesh_mtls: TlsLimits,
    /// `tlsDefaults`: of TLS towards services outside the mesh.
    pub tls_defaults: TlsLimits,
    /// `defaultConfig`: of proxies that bring no ProxyConfig of their own along.
    pub proxy: Arc<ProxySettings>,
    /// The part of `defaultConfig` that proxies are started with.
    pub start: ProxyStart,
    /// `enableTracing`, or the first of `defaultProviders.tracing`, which wins.
    pub tracing: MeshTracing,
    /// `discoverySelectors`; empty: every namespace belongs to the mesh.
    pub discovery: Vec<LabelSelector>,
    /// `serviceEntryVisibility`, where it holds for sidecars.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry_visibility: Option<EntryVisibility>,
    /// The key `meshNetworks` beside the settings; sorted by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// The network of what says nothing of it: that of the root namespace's label. Empty: there is none.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub network: Str,
}

impl MeshConfig {
    /// The trust domains whose identities are this mesh's, its own first.
    pub fn trust_domains(&self) -> impl Iterator<Item = &Str> {
        let aliases = self.trust_domain_aliases.iter().filter(|alias| **alias != self.trust_domain);
        std::iter::once(&self.trust_domain).chain(aliases)
    }

    /// Whether requests are told to this service, as spans or as accesses: one of `extensionProviders` in use.
    pub fn tells(&self, host: &Host) -> bool {
        let tracer = match &self.tracing {
            MeshTracing::Provider(provider) => Some(&provider.to),
            MeshTracing::Off | MeshTracing::Bootstrap => None,
        };
        let logs = self.access_log.iter().flat_map(|log| log.services());
        tracer.into_iter().chain(logs).any(|to| to.host == *host)
    }

    /// Whether the namespace `name` with these labels belongs to the mesh. The root namespace always does.
    pub fn discovers(&self, name: &str, labels: &Labels) -> bool {
        self.discovery.is_empty()
            || *name == *self.root_namespace
            || self.discovery.iter().any(|selector| selector.selects(labels))
    }
}

impl Default for MeshConfig {
    /// Istio's defaults.
    fn default() -> Self {
        Self {
            domain: "cluster.local".into(),
            root_namespace: "istio-system".into(),
            connect_timeout: Duration::from_secs(10),
            outbound_policy: OutboundPolicy::AllowAny,
            outbound_tls: ClientTls::Disable,
            protocol_detection_timeout: Duration::ZERO,
            dns_refresh_rate: Duration::from_secs(60),
            outbound_port: 15001,
            inbound_port: 15006,
            default_retries: None,
            default_policy: DefaultTrafficPolicy::default(),
            locality: LocalityLb::default(),
            access_log: None,
            keepalive: None,
            h2_upgrade: false,
            path_normalization: PathNormalization::default(),
            inbound_policy: InboundPolicy::default(),
            outbound_stat_name: "".into(),
            inbound_stat_name: "".into(),
            http_proxy_port: None,
            exports: DefaultExports::default(),
            cluster: "Kubernetes".into(),
            trust_domain: "cluster.local".into(),
            trust_domain_aliases: Vec::new(),
            ca_certificates: Vec::new(),
            auto_mtls: true,
            mesh_mtls: TlsLimits::default(),
            tls_defaults: TlsLimits::default(),
            proxy: Arc::default(),
            start: ProxyStart::default(),
            tracing: MeshTracing::default(),
            discovery: Vec::new(),
            entry_visibility: None,
            networks: Vec::new(),
            network: Str::default(),
        }
    }
}
