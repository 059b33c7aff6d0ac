//! Services that Envoy calls by gRPC.

use crate::envoy::core;

/// The service `host`, by its cluster. Without a host Envoy calls it by the name of the cluster.
pub(crate) fn build_grpc_service(host: &str, cluster: &str) -> core::GrpcService {
    core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: cluster.to_owned(),
                authority: host.to_owned(),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}
