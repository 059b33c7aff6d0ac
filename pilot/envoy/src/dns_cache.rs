//! The cache in which names are that only requests tell. Who looks a name up and the cluster that uses the answer name the same one.

use crate::value::duration;
use mesh_model::Duration;
use mesh_proto::envoy::config::cluster::v3::cluster::DnsLookupFamily;
use mesh_proto::envoy::extensions::common::dynamic_forward_proxy::v3::DnsCacheConfig;
use pilot_view::spec::NameLookup;

/// The cache that the lookup describes. Envoy refuses a second one of a name with other settings, also while the first is on its way out:
/// settings are part of the name.
pub(crate) fn build_dns_cache(lookup: &NameLookup) -> DnsCacheConfig {
    let NameLookup { refresh } = lookup;
    DnsCacheConfig {
        name: format!("names_{}ms", refresh.as_nanos() / 1_000_000),
        // As for other clusters: IPv4 first, and IPv6 where there is none.
        dns_lookup_family: DnsLookupFamily::V4Preferred as i32,
        // Envoy refuses a millisecond and less, and has a default.
        dns_refresh_rate: (*refresh > Duration::from_millis(1)).then(|| duration(*refresh)),
        ..Default::default()
    }
}
