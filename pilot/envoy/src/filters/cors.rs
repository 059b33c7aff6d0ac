//! CORS: does nothing by itself. Its place in the chain is part of the contract: other configuration is inserted
//! before or after it by name.

use super::Filter;
use mesh_proto::envoy::extensions::filters::http::cors::v3::Cors;
use mesh_proto::pack;

pub(super) const FILTER: Filter = Filter { name: "envoy.filters.http.cors", build: |_| Some(pack(&Cors {})) };
