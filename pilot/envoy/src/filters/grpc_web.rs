//! gRPC-Web: what browsers send goes on as gRPC, and answers the other way round. Other requests pass.

use super::Filter;
use mesh_proto::envoy::extensions::filters::http::grpc_web::v3::GrpcWeb;
use mesh_proto::pack;

pub(super) const FILTER: Filter =
    Filter { name: "envoy.filters.http.grpc_web", build: |spec| spec.grpc_web.then(|| pack(&GrpcWeb {})) };
