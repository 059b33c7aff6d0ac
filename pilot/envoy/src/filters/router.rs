//! The last filter: sends the request on.

use super::Filter;
use mesh_proto::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::pack;

pub(super) const FILTER: Filter =
    Filter { name: "envoy.filters.http.router", build: |_| Some(pack(&Router::default())) };
