//! The few fields of Envoy's messages that decide what a proxy asks for next.
//!
//! In: an encoded resource. Out: what it refers to. Field numbers as in Envoy's API v3; prost skips all others. Tests also use these
//! types to write resources: `salt` is a field that Envoy does not have, to make contents differ.

use prost::Message;

use crate::resource::ResourceType;
use crate::wire::Any;

/// The name of any of the four classic types: field 1 in each.
#[derive(Clone, PartialEq, Message)]
pub struct Named {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// `Cluster`: its name and whether it is of type EDS.
#[derive(Clone, PartialEq, Message)]
pub struct Cluster {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Discovery type; EDS is 3.
    #[prost(int32, optional, tag = "2")]
    pub discovery_type: Option<i32>,
    /// Makes contents differ.
    #[prost(string, tag = "5000")]
    pub salt: String,
}

/// `ClusterLoadAssignment`.
#[derive(Clone, PartialEq, Message)]
pub struct Endpoints {
    /// Name.
    #[prost(string, tag = "1")]
    pub cluster_name: String,
    /// Makes contents differ.
    #[prost(string, tag = "5000")]
    pub salt: String,
}

/// `Listener`, down to the RDS names of its connection managers and the clusters of its TCP proxies.
#[derive(Clone, PartialEq, Message)]
pub struct Listener {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Chains.
    #[prost(message, repeated, tag = "3")]
    pub filter_chains: Vec<FilterChain>,
    /// The chain for what matches no other.
    #[prost(message, optional, tag = "25")]
    pub default_filter_chain: Option<FilterChain>,
    /// Makes contents differ.
    #[prost(string, tag = "5000")]
    pub salt: String,
}

/// `FilterChain`.
#[derive(Clone, PartialEq, Message)]
pub struct FilterChain {
    /// Network filters.
    #[prost(message, repeated, tag = "3")]
    pub filters: Vec<Filter>,
}

/// `Filter`.
#[derive(Clone, PartialEq, Message)]
pub struct Filter {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its configuration.
    #[prost(message, optional, tag = "4")]
    pub typed_config: Option<Any>,
}

/// Type URL of [`ConnectionManager`].
pub const CONNECTION_MANAGER: &str =
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";

/// `HttpConnectionManager`.
#[derive(Clone, PartialEq, Message)]
pub struct ConnectionManager {
    /// Routes by name.
    #[prost(message, optional, tag = "3")]
    pub rds: Option<Rds>,
}

/// `Rds`.
#[derive(Clone, PartialEq, Message)]
pub struct Rds {
    /// Name of the route configuration.
    #[prost(string, tag = "2")]
    pub route_config_name: String,
}

/// `RouteConfiguration`.
#[derive(Clone, PartialEq, Message)]
pub struct RouteConfiguration {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Hosts inside.
    #[prost(message, repeated, tag = "2")]
    pub virtual_hosts: Vec<VirtualHost>,
    /// Present when the other hosts come over VHDS.
    #[prost(message, optional, tag = "9")]
    pub vhds: Option<Vhds>,
    /// Makes contents differ.
    #[prost(string, tag = "5000")]
    pub salt: String,
}

/// `Vhds`.
#[derive(Clone, PartialEq, Message)]
pub struct Vhds {}

/// `VirtualHost`.
#[derive(Clone, PartialEq, Message)]
pub struct VirtualHost {
    /// Name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Routes.
    #[prost(message, repeated, tag = "3")]
    pub routes: Vec<Route>,
    /// Makes contents differ.
    #[prost(string, tag = "5000")]
    pub salt: String,
}

/// `Route`.
#[derive(Clone, PartialEq, Message)]
pub struct Route {
    /// Its action, if it forwards.
    #[prost(message, optional, tag = "2")]
    pub route: Option<RouteAction>,
}

/// `RouteAction`.
#[derive(Clone, PartialEq, Message)]
pub struct RouteAction {
    /// A single cluster.
    #[prost(string, tag = "1")]
    pub cluster: String,
    /// Clusters by weight.
    #[prost(message, optional, tag = "3")]
    pub weighted_clusters: Option<WeightedClusters>,
}

/// `WeightedCluster`.
#[derive(Clone, PartialEq, Message)]
pub struct WeightedClusters {
    /// The clusters.
    #[prost(message, repeated, tag = "1")]
    pub clusters: Vec<ClusterWeight>,
}

/// `WeightedCluster.ClusterWeight`.
#[derive(Clone, PartialEq, Message)]
pub struct ClusterWeight {
    /// Cluster.
    #[prost(string, tag = "1")]
    pub name: String,
}

/// What a resource refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// A cluster whose endpoints come over EDS.
    pub eds: bool,
    /// Route configurations by name.
    pub routes: Vec<String>,
    /// Virtual hosts come over VHDS.
    pub vhds: bool,
    /// Clusters that requests go to.
    pub clusters: Vec<String>,
}

impl References {
    /// Reads a resource.
    pub fn read(kind: ResourceType, message: &[u8]) -> Result<Self, prost::DecodeError> {
        let mut references = Self::default();
        match kind {
            ResourceType::Cluster => {
                references.eds = Cluster::decode(message)?.discovery_type == Some(3);
            }
            ResourceType::Endpoints | ResourceType::NameTable | ResourceType::Secret => {}
            ResourceType::Listener => {
                let Listener { filter_chains, default_filter_chain, .. } = Listener::decode(message)?;
                let filters = filter_chains.into_iter().chain(default_filter_chain).flat_map(|c| c.filters);
                for config in filters.filter_map(|filter| filter.typed_config) {
                    if config.type_url == CONNECTION_MANAGER
                        && let Some(rds) = ConnectionManager::decode(config.value)?.rds
                    {
                        references.routes.push(rds.route_config_name);
                    }
                }
            }
            ResourceType::Route | ResourceType::InlineRoute => {
                let RouteConfiguration { virtual_hosts, vhds, .. } = RouteConfiguration::decode(message)?;
                references.vhds = vhds.is_some();
                virtual_hosts.iter().for_each(|host| references.add_clusters(host));
            }
            ResourceType::VirtualHost => references.add_clusters(&VirtualHost::decode(message)?),
        }
        Ok(references)
    }

    fn add_clusters(&mut self, host: &VirtualHost) {
        for RouteAction { cluster, weighted_clusters } in host.routes.iter().filter_map(|r| r.route.as_ref())
        {
            if !cluster.is_empty() {
                self.clusters.push(cluster.clone());
            }
            let weighted = weighted_clusters.iter().flat_map(|weighted| &weighted.clusters);
            self.clusters.extend(weighted.map(|weight| weight.name.clone()));
        }
    }
}
