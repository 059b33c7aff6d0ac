//! How names are looked up, and the cache in which those are that only requests tell: who looks a name up and the cluster that uses the answer
//! name the same one.

use crate::envoy::core::TypedExtensionConfig;
use crate::value::{duration, uint32};
use mesh_model::Duration;
use mesh_proto::envoy::config::cluster::v3::cluster::DnsLookupFamily;
use mesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use mesh_proto::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
use mesh_proto::pack;
use pilot_view::spec::NameLookup;

/// The cache that the lookup describes. Envoy refuses a second one of a name with other settings, also while the first is on its way out:
/// settings are part of the name.
pub(crate) fn build_dns_cache(lookup: &NameLookup) -> DnsCacheConfig {
    let NameLookup { refresh } = lookup;
    DnsCacheConfig {
        name: format!("lookups_{}ms", refresh.as_nanos() / 1_000_000),
        // As for other clusters: IPv4 first, and IPv6 where there is none.
        dns_lookup_family: DnsLookupFamily::V4Preferred as i32,
        // Envoy refuses a millisecond and less, and has a default.
        dns_refresh_rate: (*refresh > Duration::from_millis(1)).then(|| duration(*refresh)),
        typed_dns_resolver_config: Some(build_resolver()),
        ..Default::default()
    }
}

/// As Istio's: a socket that asks for ever would be one that a server which is gone never answers.
pub(crate) fn build_resolver() -> TypedExtensionConfig {
    let config =
        CaresDnsResolverConfig { udp_max_queries: uint32(QUERIES_OF_A_SOCKET), ..Default::default() };
    TypedExtensionConfig { name: CARES.to_owned(), typed_config: Some(pack(&config)) }
}

/// After so many a new socket is opened. Istio's number.
const QUERIES_OF_A_SOCKET: u32 = 100;
const CARES: &str = "envoy.network.dns_resolver.cares";
