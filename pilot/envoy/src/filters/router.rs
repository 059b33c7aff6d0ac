//! The last filter: sends the request on.

use super::Filter;
use mesh_proto::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::pack;
use pilot_view::spec::HttpSpec;

pub(super) const FILTER: Filter =
    Filter { name: "envoy.filters.http.router", build: |spec| Some(pack(&build_router(spec))) };

fn build_router(spec: &HttpSpec) -> Router {
    Router { suppress_envoy_headers: spec.headers.without_debug, ..Default::default() }
}
