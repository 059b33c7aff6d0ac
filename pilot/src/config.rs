//! Settings of the traffic control plane.

use mesh_model::NamespacedName;
use std::{collections::BTreeSet, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};
use tokio::sync::watch;

/// Where configuration comes from.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// A file or a directory of YAML.
    Files(PathBuf),
    /// A Kubernetes API server: by kubeconfig, or, without one, as the environment says (in a cluster, its own).
    Cluster {
        /// Path of the kubeconfig.
        kubeconfig: Option<PathBuf>,
    },
}

/// All settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where configuration comes from.
    pub source: SourceConfig,
    /// DNS suffix of the cluster.
    pub domain: String,
    /// Namespace of the control plane and of mesh-wide defaults.
    pub root_namespace: String,
    /// The trust domain of identities, where mesh settings name none.
    pub trust_domain: String,
    /// The cluster that this is in, as `topology.istio.io/cluster` names it.
    pub cluster: String,
    /// A file with mesh settings, instead of the ConfigMap.
    pub mesh_config: Option<PathBuf>,
    /// Where xDS is served in plain text.
    pub grpc_address: SocketAddr,
    /// After which time a proxy is asked to reconnect; `None`: never.
    pub max_connection_age: Option<Duration>,
    /// Which of the workloads that files ask for and that run on this machine are ready; `None`: all.
    pub ready: Option<watch::Receiver<Arc<BTreeSet<NamespacedName>>>>,
    /// How statuses are written to the cluster's objects; `None`: not at all. Files have none in any case.
    pub status: Option<StatusConfig>,
}

pub use pilot_status::StatusConfig;

impl Config {
    /// Defaults for configuration from `source`: plain-text xDS on loopback.
    pub fn new(source: SourceConfig) -> Self {
        Self {
            source,
            domain: "cluster.local".into(),
            root_namespace: "istio-system".into(),
            trust_domain: "cluster.local".into(),
            cluster: "Kubernetes".into(),
            mesh_config: None,
            grpc_address: SocketAddr::from(([127, 0, 0, 1], 15010)),
            max_connection_age: None,
            ready: None,
            status: None,
        }
    }
}
