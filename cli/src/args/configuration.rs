//! Flags of what tells about configuration: `wait` and `explain`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Subcommand};
use http::{HeaderName, HeaderValue, Method};
use meltemi_local::duration::parse_duration;
use pilot_status::ConditionType;
use pilot_view::explain::{ClientTarget, Request};

use super::{
    address::EndpointAddress,
    object::{ObjectName, parse_condition},
    proxies::{EndpointArgs, parse_header},
};
use crate::output::Format;

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
    /// What the client connects to: an IP address, or unix:///path for a socket of its proxy [default: what its DNS says]
    #[arg(long, value_name = "ADDRESS")]
    pub destination: Option<ClientTarget>,
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
