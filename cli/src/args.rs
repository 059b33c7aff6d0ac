//! Every flag and every environment variable of every command, and nothing else.
//!
//! Flags that istiod has, too, take its spelling (`--grpcAddr`) as well as ours (`--grpc-addr`).

pub mod address;
pub mod connection_age;
pub mod object;

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use http::{HeaderName, HeaderValue, Method};
use meltemi_local::{call::Target, duration::parse_duration};
use mesh_runtime::logging;
use pilot_view::explain::Request;

use crate::output::{ConfigFormat, Format};
use address::{EndpointAddress, ListenAddress};
use connection_age::ConnectionAge;
use object::{ObjectName, parse_condition};
use pilot_status::ConditionType;

/// Where a control plane's debug endpoints are unless told otherwise.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:15014";
const XDS_ADDRESS: &str = "127.0.0.1:15010";
const READY_ADDRESS: &str = "127.0.0.1:8080";

const EXIT_CODES: &str = "Exit codes: 0 done; 1 failed (analyze: the configuration has errors, or what --failure-threshold says; call: requests got no answer); \
                          2 the arguments make no sense";

/// A service mesh that speaks Istio's API.
#[derive(Debug, Parser)]
#[command(name = "meltemi", version, about, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    /// How logs look.
    #[command(flatten)]
    pub logging: LoggingArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Logging, of every command.
#[derive(Debug, Args)]
pub struct LoggingArgs {
    /// What to log, such as `info` or `info,pilot_xds=debug` [default: info for control-plane, else warn]
    #[arg(long, global = true, env = "MELTEMI_LOG", value_name = "FILTER", help_heading = "Logging")]
    pub log: Option<String>,
    /// How log lines look: text or json
    #[arg(
        long,
        global = true,
        env = "MELTEMI_LOG_FORMAT",
        value_name = "FORMAT",
        default_value_t,
        help_heading = "Logging"
    )]
    pub log_format: logging::Format,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a whole mesh on this machine, from a directory of YAML
    Up(UpArgs),
    /// Run the control plane against a cluster, or against a directory of YAML
    #[command(alias = "discovery")]
    ControlPlane(ControlPlaneArgs),
    /// Send requests through a workload's sidecar and show who answered
    Call(CallArgs),
    /// Say what is wrong with a file or a directory of YAML
    Analyze(AnalyzeArgs),
    /// Wait until an object has got to the proxies that it concerns
    Wait(WaitArgs),
    /// Say what becomes of a request, and why
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// Look at connected proxies
    #[command(subcommand)]
    Proxy(ProxyCommand),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the version
    Version(VersionArgs),
}

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
    /// The name of this cluster (there is one only: no effect yet)
    #[arg(long, alias = "clusterID", env = "CLUSTER_ID", value_name = "NAME", default_value = "Kubernetes")]
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
    /// xDS over TLS (not supported yet: a warning says so)
    #[arg(long, alias = "secureGRPCAddr", value_name = "ADDRESS")]
    pub secure_grpc_addr: Option<String>,
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
}

/// `meltemi call`.
#[derive(Debug, Args)]
pub struct CallArgs {
    /// Who sends: a Deployment, a pod or an application, with `.namespace` if need be
    pub workload: String,
    /// What is asked, such as http://ratings:9080/ or tcp://mongo:27017
    pub url: Target,
    /// How many requests
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub count: usize,
    /// How many at a time
    #[arg(short = 'c', long, value_name = "N", default_value_t = 1)]
    pub concurrency: usize,
    /// A header to send; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = parse_header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The HTTP method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub method: Method,
    /// Speak HTTP/2 to the sidecar
    #[arg(long)]
    pub http2: bool,
    /// How long one request may take
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// How to print the result
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// The running `meltemi up`
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// `meltemi analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// A file, or a directory
    pub path: PathBuf,
    /// How to print the problems
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// From which severity on problems make the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error", ignore_case = true)]
    pub failure_threshold: Threshold,
    /// The mesh's DNS domain
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
}

/// The least severity that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Threshold {
    /// Whatever there is to say
    Info,
    /// What probably has not the effect that was meant, and errors
    Warning,
    /// What cannot be used
    Error,
}

/// `meltemi wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// The object, such as `virtualservice/reviews`, in short `vs/reviews`
    #[arg(value_name = "KIND/NAME")]
    pub object: ObjectName,
    /// What to wait for: `accepted`, `resolved-refs` or `programmed`
    #[arg(long = "for", value_name = "CONDITION", default_value = "programmed", value_parser = parse_condition)]
    pub condition: ConditionType,
    /// Its namespace
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// How long to wait
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Ask the cluster of this kubeconfig [default: --address, else this pod's cluster, KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Ask the control plane at this debug address instead of a cluster
    #[arg(long, env = "MELTEMI_ADDRESS", value_name = "ADDRESS")]
    pub address: Option<EndpointAddress>,
}

/// `meltemi explain`.
#[derive(Debug, Subcommand)]
pub enum ExplainCommand {
    /// Which listener, virtual host, rule, policy and endpoints a request takes, and why earlier rules do not match
    Route(ExplainRouteArgs),
}

/// `meltemi explain route`.
#[derive(Debug, Args)]
pub struct ExplainRouteArgs {
    /// What is asked, such as http://ratings:9080/books or tcp://mongo:27017
    pub url: Request,
    /// Answer from this file or directory of YAML, as for a cluster [default: ask a running control plane]
    pub path: Option<PathBuf>,
    /// Who asks: a pod, a Deployment or an application, with `.namespace` if need be
    #[arg(long, value_name = "WORKLOAD")]
    pub from: String,
    /// A header to send; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME:VALUE", value_parser = parse_header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The HTTP method
    #[arg(short = 'X', long, value_name = "METHOD", default_value = "GET")]
    pub method: Method,
    /// The IP address that the client connects to [default: what its DNS says]
    #[arg(long, value_name = "IP")]
    pub destination: Option<IpAddr>,
    /// How to print the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// The mesh's DNS domain, for files
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
    /// The control plane
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// `meltemi proxy`.
#[derive(Debug, Subcommand)]
pub enum ProxyCommand {
    /// List connected proxies and what they have acknowledged
    List(ProxyListArgs),
    /// Print the configuration of a proxy
    Config(ProxyConfigArgs),
}

/// `meltemi proxy list`.
#[derive(Debug, Args)]
pub struct ProxyListArgs {
    /// How to print the list
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// The control plane
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// `meltemi proxy config`.
#[derive(Debug, Args)]
pub struct ProxyConfigArgs {
    /// The proxy: `<pod>.<namespace>`
    pub name: String,
    /// Which resources
    #[arg(default_value = "all")]
    pub part: ConfigPart,
    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "short")]
    pub output: ConfigFormat,
    /// The control plane
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// A part of a proxy's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigPart {
    /// Upstream clusters
    Clusters,
    /// Route configurations and virtual hosts
    Routes,
    /// Listeners
    Listeners,
    /// Endpoints of clusters
    Endpoints,
    /// Everything
    All,
}

/// Whom to ask.
#[derive(Debug, Clone, Args)]
pub struct EndpointArgs {
    /// The debug address of the running control plane
    #[arg(long, env = "MELTEMI_ADDRESS", value_name = "ADDRESS", default_value = ADMIN_ADDRESS)]
    pub address: EndpointAddress,
}

impl EndpointArgs {
    /// The address as a socket knows it.
    pub fn socket(&self) -> SocketAddr {
        self.address.0
    }
}

/// `meltemi completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `meltemi version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
}

fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as in `x-user: ada`")?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header name"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no header value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn control_plane(arguments: &[&str]) -> ControlPlaneArgs {
        let arguments = ["meltemi", "control-plane"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::ControlPlane(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn istiods_spelling_and_ours_mean_the_same() {
        let ours = ["--grpc-addr=:15010", "--keepalive-max-server-connection-age=30m", "--config-dir=/c"];
        let istiods = ["--grpcAddr=:15010", "--keepaliveMaxServerConnectionAge", "30m", "--configDir", "/c"];
        let (ours, istiods) = (control_plane(&ours), control_plane(&istiods));
        assert_eq!(format!("{ours:?}"), format!("{istiods:?}"));
        assert_eq!(ours.grpc_addr.to_string(), "0.0.0.0:15010");
        assert_eq!(ours.keepalive_max_server_connection_age.0, Some(Duration::from_secs(1800)));
    }

    #[test]
    fn the_defaults_stay_on_this_machine() {
        let args = control_plane(&[]);
        for address in [args.grpc_addr, args.http_addr, args.monitoring_addr] {
            assert!(address.socket().is_some_and(|address| address.ip().is_loopback()), "{address}");
        }
        assert_eq!(args.keepalive_max_server_connection_age.0, None);
    }

    #[test]
    fn headers() {
        assert!(parse_header("x-user: ada").is_ok() && parse_header("x-user:").is_ok());
        assert!(parse_header("x-user").is_err() && parse_header("x user: ada").is_err());
    }
}
