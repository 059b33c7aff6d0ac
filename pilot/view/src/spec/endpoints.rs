//! What a cluster load assignment depends on. Mirrors `envoy.config.endpoint.v3.ClusterLoadAssignment`.

use mesh_model::{Endpoint, Str};
use std::sync::Arc;

/// The endpoints of one EDS cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointsSpec {
    /// The cluster's name.
    pub cluster: Str,
    /// Its endpoints, sorted.
    pub endpoints: Arc<[Endpoint]>,
}
