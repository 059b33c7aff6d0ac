//! `meltemi ca`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::proxies::EndpointArgs;
use crate::output::Format;

/// `meltemi ca`.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// How long roots, authorities and the control plane's own certificate still live
    Status(CaStatusArgs),
    /// Ask for a new root: workloads get it with their next certificate, and no connection breaks
    Rotate(CaRotateArgs),
}

/// `meltemi ca status`.
#[derive(Debug, Args)]
pub struct CaStatusArgs {
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// Also every workload's certificate, those first that end first
    #[arg(long)]
    pub workloads: bool,
    /// The control plane
    #[command(flatten)]
    pub endpoint: EndpointArgs,
}

/// `meltemi ca rotate`.
#[derive(Debug, Args)]
pub struct CaRotateArgs {
    /// The cluster's kubeconfig [default: the one of this pod, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the control plane
    #[arg(short, long, env = "POD_NAMESPACE", value_name = "NAMESPACE", default_value = "istio-system")]
    pub namespace: String,
}
