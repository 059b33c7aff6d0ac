//! HTTP filters, in the order in which a request passes them.
//!
//! In: the spec of a connection manager. Out: its filters. A filter has its own file with one function, which decides
//! from the spec whether and how it is there, and one row in [`FILTERS`]. Behaviour that differs by route is set by
//! the route, in `typed_per_filter_config`.

mod alpn;
pub(crate) mod cors;
pub(crate) mod dynamic_forward_proxy;
pub(crate) mod fault;
mod grpc_web;
mod router;

use crate::envoy::hcm::{HttpFilter, http_filter};
use crate::envoy::wkt;
use pilot_view::spec::HttpSpec;

/// One filter: its name in the chain, and its configuration; `None` leaves it out.
pub(crate) struct Filter {
    name: &'static str,
    build: fn(&HttpSpec) -> Option<wkt::Any>,
}

/// The chain. Istio's order; its own filters (`istio.*`) are not part of a stock Envoy, and `grpc_stats` only serves them.
const FILTERS: &[Filter] = &[
    alpn::MARK_FILTER,
    alpn::FILTER,
    grpc_web::FILTER,
    fault::FILTER,
    cors::FILTER,
    dynamic_forward_proxy::FILTER,
    router::FILTER,
];

/// The filters of a connection manager.
pub(crate) fn build_filters(spec: &HttpSpec) -> Vec<HttpFilter> {
    let build = |Filter { name, build }: &Filter| {
        Some(HttpFilter {
            name: (*name).to_owned(),
            config_type: Some(http_filter::ConfigType::TypedConfig(build(spec)?)),
            ..Default::default()
        })
    };
    FILTERS.iter().filter_map(build).collect()
}
