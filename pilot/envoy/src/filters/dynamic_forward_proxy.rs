//! Looks the host of a request up before it is sent on, when its route leads to a cluster for any name. Passes over all others.

use super::Filter;
use crate::dns_cache::build_dns_cache;
use mesh_proto::envoy::extensions::filters::http::dynamic_forward_proxy::v3::filter_config::ImplementationSpecifier;
use mesh_proto::envoy::extensions::filters::http::dynamic_forward_proxy::v3::{
    FilterConfig, PerRouteConfig, per_route_config,
};
use mesh_proto::pack;

/// Its name in the chain, and in the configuration of routes.
pub(crate) const NAME: &str = "envoy.filters.http.dynamic_forward_proxy";

pub(super) const FILTER: Filter = Filter {
    name: NAME,
    build: |spec| {
        let cache = build_dns_cache(spec.lookup.as_ref()?);
        Some(pack(&FilterConfig {
            implementation_specifier: Some(ImplementationSpecifier::DnsCacheConfig(cache)),
            ..Default::default()
        }))
    },
};

/// Looks `name` up in place of a request's own host, as which the route sends it on.
pub(crate) fn build_lookup(name: String) -> PerRouteConfig {
    let specifier = per_route_config::HostRewriteSpecifier::HostRewriteLiteral(name);
    PerRouteConfig { host_rewrite_specifier: Some(specifier) }
}
