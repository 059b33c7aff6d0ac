//! Forwarding: where a request goes, for how long, and how it is changed on the way.

use super::hash::build_hash_policy;
use super::headers::{Mutations, build_headers};
use super::mirror::build_mirror;
use super::retries::build_retries;
use super::rewrite::apply_rewrite;
use crate::envoy::route::route_action::{ClusterSpecifier, HostRewriteSpecifier};
use crate::envoy::route::weighted_cluster::{ClusterWeight, cluster_weight};
use crate::envoy::route::{self, RouteAction};
use crate::value::{duration, uint32};
use mesh_model::Duration;
use pilot_view::spec::{ForwardSpec, WeightedCluster};

/// The action that the spec describes. `authority` is the new `Host`, when header operations set one; a rewrite's wins.
pub(super) fn build_forward(spec: &ForwardSpec, authority: Option<String>) -> RouteAction {
    // What names are looked up by is the route's own.
    let ForwardSpec { clusters, timeout, retries, rewrite, forwarded_host, hash, mirrors, by_name: _ } = spec;
    let mut action = RouteAction {
        cluster_specifier: Some(build_clusters(clusters)),
        host_rewrite_specifier: authority.map(HostRewriteSpecifier::HostRewriteLiteral),
        retry_policy: retries.as_ref().and_then(|retries| build_retries(retries, !hash.is_empty())),
        hash_policy: hash.iter().map(build_hash_policy).collect(),
        request_mirror_policies: mirrors.iter().map(build_mirror).collect(),
        append_x_forwarded_host: *forwarded_host,
        ..Default::default()
    };
    apply_timeout(*timeout, &mut action);
    if let Some(rewrite) = rewrite {
        apply_rewrite(rewrite, &mut action);
    }
    action
}

/// To `cluster`, whatever host is asked for, without time limit.
pub(super) fn build_pass_through(cluster: &str) -> RouteAction {
    let mut action = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..Default::default()
    };
    apply_timeout(None, &mut action);
    action
}

/// The limit of the whole request, and the most that a `grpc-timeout` header may ask for. Zero is none in both: Envoy's
/// default of 15 seconds would cut off streams.
fn apply_timeout(timeout: Option<Duration>, action: &mut RouteAction) {
    let timeout = duration(timeout.unwrap_or(Duration::ZERO));
    action.timeout = Some(timeout);
    // Deprecated, and Istio's choice too. Its successor (`grpc_timeout_header_max`) is a timer of the client's side: an
    // endpoint that lets it run out is not ejected, and gRPC requests without the header escape `timeout` (Envoy 1.40).
    #[allow(deprecated)]
    {
        action.max_grpc_timeout = Some(timeout);
    }
}

fn build_clusters(clusters: &[WeightedCluster]) -> ClusterSpecifier {
    match clusters {
        // Its header operations are the route's.
        [WeightedCluster { cluster, weight: _, headers: _ }] => {
            ClusterSpecifier::Cluster(cluster.to_string())
        }
        clusters => ClusterSpecifier::WeightedClusters(route::WeightedCluster {
            clusters: clusters.iter().map(build_weight).collect(),
            ..Default::default()
        }),
    }
}

fn build_weight(cluster: &WeightedCluster) -> ClusterWeight {
    let WeightedCluster { cluster, weight, headers } = cluster;
    let Mutations { authority, request_add, request_remove, response_add, response_remove } =
        build_headers(headers);
    ClusterWeight {
        name: cluster.to_string(),
        weight: uint32(*weight),
        request_headers_to_add: request_add,
        request_headers_to_remove: request_remove,
        response_headers_to_add: response_add,
        response_headers_to_remove: response_remove,
        host_rewrite_specifier: authority.map(cluster_weight::HostRewriteSpecifier::HostRewriteLiteral),
        ..Default::default()
    }
}
