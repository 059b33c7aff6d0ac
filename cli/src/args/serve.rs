//! Flags of what serves: `up` and `control-plane`.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use meltemi_local::duration::parse_duration;

use super::{
    ADMIN_ADDRESS, READY_ADDRESS, SECURE_ADDRESS, XDS_ADDRESS,
    address::ListenAddress,
    connection_age::ConnectionAge,
    identity::{Component, IdentityArgs},
};

/// Istio's name for the cluster that a control plane is in.
const CLUSTER_ID: &str = "Kubernetes";

/// `meltemi up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// The directory, or a single file
    #[arg(value_name = "DIR")]
    pub path: PathBuf,
    /// Run only the control plane: no workloads, no Envoys
    #[arg(long)]
    pub no_workloads: bool,
    /// The Envoy to run [default: MELTEMI_ENVOY, the cache, PATH, else fetched]
    #[arg(long, value_name = "FILE")]
    pub envoy: Option<PathBuf>,
    /// Where bootstraps and logs of the Envoys go; kept afterwards [default: a temporary directory]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// End with success as soon as every workload is ready and has its configuration (for scripts and tests)
    #[arg(long)]
    pub once_ready: bool,
    /// Where Envoys ask for configuration; port 0 takes a free one
    #[arg(long, alias = "grpcAddr", value_name = "ADDRESS", default_value = XDS_ADDRESS)]
    pub grpc_addr: ListenAddress,
    /// Where the agents beside the Envoys get certificates and configuration; port 0 takes a free one
    #[arg(long, alias = "secureGRPCAddr", value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    pub secure_grpc_addr: ListenAddress,
    /// Where metrics and debug endpoints are; port 0 takes a free one
    #[arg(long, alias = "monitoringAddr", value_name = "ADDRESS", default_value = ADMIN_ADDRESS)]
    pub monitoring_addr: ListenAddress,
    /// Mesh settings (YAML of Istio's MeshConfig) [default: the ConfigMap `istio` of istio-system in DIR]
    #[arg(long, alias = "meshConfig", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
    /// The mesh's DNS domain
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
}

/// `meltemi control-plane`.
#[derive(Debug, Args)]
pub struct ControlPlaneArgs {
    /// The cluster's kubeconfig [default: the one of this pod, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", conflicts_with = "config_dir")]
    pub kubeconfig: Option<PathBuf>,
    /// Read YAML from this directory instead of a cluster
    #[arg(long, alias = "configDir", value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// Mesh settings (YAML of Istio's MeshConfig) [default: the ConfigMap `istio` of the root namespace]
    #[arg(long, alias = "meshConfig", value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
    /// The mesh's DNS domain
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
    /// The name of this cluster: the label `topology.istio.io/cluster` of its workloads. Tokens of callers who name another one are for that one's API server to judge
    #[arg(long, alias = "clusterID", env = "CLUSTER_ID", value_name = "NAME", default_value = CLUSTER_ID)]
    pub cluster_id: String,
    /// The namespace of the mesh's own configuration
    #[arg(short, long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
    /// Write no status to the cluster's objects
    #[arg(long)]
    pub no_status: bool,
    /// The name of this replica among those that may write statuses [default: the host's name]
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub pod_name: Option<String>,
    /// Plaintext xDS; loopback only unless told otherwise
    #[arg(long, alias = "grpcAddr", value_name = "ADDRESS", default_value = XDS_ADDRESS)]
    pub grpc_addr: ListenAddress,
    /// xDS and certificates over TLS, for callers that prove who they are; loopback only unless told otherwise
    #[arg(long, alias = "secureGRPCAddr", value_name = "ADDRESS", default_value = SECURE_ADDRESS)]
    pub secure_grpc_addr: ListenAddress,
    /// What to run: pilot, citadel, or both. Without a cluster, citadel runs only if `--jwt-rule` says whose tokens it takes
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "pilot,citadel")]
    pub components: Vec<Component>,
    /// `/ready`, for probes
    #[arg(long, alias = "httpAddr", value_name = "ADDRESS", default_value = READY_ADDRESS)]
    pub http_addr: ListenAddress,
    /// Admission webhooks (not supported yet: a warning says so)
    #[arg(long, alias = "httpsAddr", value_name = "ADDRESS")]
    pub https_addr: Option<String>,
    /// Metrics and debug endpoints
    #[arg(long, alias = "monitoringAddr", value_name = "ADDRESS", default_value = ADMIN_ADDRESS)]
    pub monitoring_addr: ListenAddress,
    /// How old an xDS connection may get, as in `30m`
    #[arg(
        long,
        alias = "keepaliveMaxServerConnectionAge",
        value_name = "DURATION",
        default_value = "infinity"
    )]
    pub keepalive_max_server_connection_age: ConnectionAge,
    /// How long a shutdown may take
    #[arg(long, alias = "shutdownDuration", value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub shutdown_duration: Duration,
    /// The certificate authority.
    #[command(flatten)]
    pub identity: IdentityArgs,
}
