//! What a cluster load assignment depends on. Mirrors `envoy.config.endpoint.v3.ClusterLoadAssignment`.

use mesh_model::{Endpoint, Locality, Str};
use std::sync::Arc;

/// The endpoints of one EDS cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointsSpec {
    /// The cluster's name.
    pub cluster: Str,
    /// Its endpoints, sorted.
    pub endpoints: Arc<[Endpoint]>,
    /// Which of them come first.
    pub preference: Preference,
}

/// Which endpoints come first, or get how much.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Preference {
    /// All are alike.
    #[default]
    None,
    /// The priority of each endpoint, in their order; 0 is the highest, and there are no gaps.
    Priorities(Arc<[u32]>),
    /// The weight of each locality, sorted; endpoints elsewhere are left out.
    Shares(Arc<[(Locality, u32)]>),
}
