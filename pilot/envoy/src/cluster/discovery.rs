//! Where a cluster's endpoints come from: type, EDS source, DNS settings, inline endpoints, original destination.

use crate::address::{endpoint_address, socket_address};
use crate::config_source::ads;
use crate::dns_cache::{build_dns_cache, build_resolver};
use crate::endpoints::build_localities;
use crate::envoy::cluster::Cluster;
use crate::envoy::cluster::cluster::{
    ClusterDiscoveryType, CustomClusterType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbConfig,
    OriginalDstLbConfig,
};
use crate::envoy::{core, endpoint};
use crate::names::DYNAMIC_FORWARD_PROXY_CLUSTER;
use crate::value::{duration, uint32};
use mesh_model::{Duration, Endpoint, EndpointAddress};
use mesh_proto::envoy::extensions::clusters::dynamic_forward_proxy::v3::ClusterConfig;
use mesh_proto::envoy::extensions::clusters::dynamic_forward_proxy::v3::cluster_config::ClusterImplementationSpecifier;
use mesh_proto::pack;
use pilot_view::spec::{ClusterDiscovery, Preference};
use std::net::IpAddr;

/// Spreads refreshes of the proxies that resolve the same name.
const DNS_JITTER: Duration = Duration::from_millis(100);

/// How long Envoy remembers an original destination that nobody talks to any more.
const ORIGINAL_DST_CLEANUP: Duration = Duration::from_secs(60);

/// Applies the source of endpoints.
pub(super) fn apply_discovery(discovery: &ClusterDiscovery, cluster: &mut Cluster) {
    match discovery {
        ClusterDiscovery::Eds => {
            set_type(DiscoveryType::Eds, cluster);
            cluster.eds_cluster_config =
                Some(EdsClusterConfig { eds_config: Some(ads()), service_name: cluster.name.clone() });
        }
        ClusterDiscovery::StrictDns { endpoints, preference, refresh } => {
            apply_dns(DiscoveryType::StrictDns, endpoints, preference, *refresh, cluster);
        }
        ClusterDiscovery::LogicalDns { endpoints, refresh } => {
            apply_dns(DiscoveryType::LogicalDns, endpoints, &Preference::None, *refresh, cluster);
        }
        ClusterDiscovery::Dynamic(lookup) => {
            let config = ClusterConfig {
                cluster_implementation_specifier: Some(ClusterImplementationSpecifier::DnsCacheConfig(
                    build_dns_cache(lookup),
                )),
                // Else Envoy refuses any protocol options without SNI. It is TLS settings that would say more of that.
                allow_insecure_cluster_options: true,
                ..Default::default()
            };
            cluster.cluster_discovery_type = Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
                name: DYNAMIC_FORWARD_PROXY_CLUSTER.to_owned(),
                typed_config: Some(pack(&config)),
            }));
        }
        ClusterDiscovery::OriginalDst { port, sources } => apply_original_dst(*port, sources, cluster),
        ClusterDiscovery::Static { address, port, source } => {
            set_type(DiscoveryType::Static, cluster);
            cluster.load_assignment = Some(one_address(&cluster.name, address, *port));
            apply_sources(source.as_slice(), cluster);
        }
        // Static without endpoints: every request finds nobody.
        ClusterDiscovery::Nowhere => set_type(DiscoveryType::Static, cluster),
    }
}

fn set_type(kind: DiscoveryType, cluster: &mut Cluster) {
    cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind as i32));
}

/// Envoy would have these settings in a cluster extension now. Tools and EnvoyFilters look for them where Istio has them.
#[allow(deprecated)]
fn apply_dns(
    kind: DiscoveryType,
    endpoints: &[Endpoint],
    preference: &Preference,
    refresh: Duration,
    cluster: &mut Cluster,
) {
    set_type(kind, cluster);
    // Istio asks for the families that the proxy has. The spec knows no families, so that all proxies share it: IPv4
    // first and IPv6 when there is none gives the same answers wherever a name has an address that can be reached.
    cluster.dns_lookup_family = DnsLookupFamily::V4Preferred as i32;
    // Envoy refuses a millisecond and less, and has a default.
    cluster.dns_refresh_rate = (refresh > Duration::from_millis(1)).then(|| duration(refresh));
    cluster.dns_jitter = Some(duration(DNS_JITTER));
    cluster.respect_dns_ttl = true;
    cluster.typed_dns_resolver_config = Some(build_resolver());
    cluster.load_assignment = Some(endpoint::ClusterLoadAssignment {
        cluster_name: cluster.name.clone(),
        endpoints: build_localities(endpoints, preference, |_| true),
        ..Default::default()
    });
}

fn apply_original_dst(port: Option<u16>, sources: &[IpAddr], cluster: &mut Cluster) {
    set_type(DiscoveryType::OriginalDst, cluster);
    cluster.cleanup_interval = Some(duration(ORIGINAL_DST_CLEANUP));
    if let Some(port) = port {
        cluster.lb_config = Some(LbConfig::OriginalDstLbConfig(OriginalDstLbConfig {
            upstream_port_override: uint32(port.into()),
            ..Default::default()
        }));
    }
    apply_sources(sources, cluster);
}

/// Binds connections to the first address, or to another where its version is not that of the endpoint.
fn apply_sources(sources: &[IpAddr], cluster: &mut Cluster) {
    if let [source, others @ ..] = sources {
        let address = |source: &IpAddr| Some(socket_address(source.to_string(), 0));
        let extra =
            |source: &IpAddr| core::ExtraSourceAddress { address: address(source), ..Default::default() };
        cluster.upstream_bind_config = Some(core::BindConfig {
            source_address: address(source),
            extra_source_addresses: others.iter().map(extra).collect(),
            ..Default::default()
        });
    }
}

fn one_address(name: &str, address: &EndpointAddress, port: u16) -> endpoint::ClusterLoadAssignment {
    let endpoint =
        endpoint::Endpoint { address: Some(endpoint_address(address, port)), ..Default::default() };
    let host = endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(endpoint)),
        ..Default::default()
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![endpoint::LocalityLbEndpoints { lb_endpoints: vec![host], ..Default::default() }],
        ..Default::default()
    }
}
