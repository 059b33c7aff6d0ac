//! Arguments of `meltemi analyze`.

use std::{path::PathBuf, time::Duration};

use clap::{Args, ValueEnum};
use meltemi_local::duration::parse_duration;
use mesh_model::Severity;
use pilot_ingest::Suppression;

use crate::output::Format;

/// `meltemi analyze`.
#[derive(Debug, Args)]
pub struct AnalyzeArgs {
    /// A file, or a directory
    #[arg(required_unless_present = "cluster", conflicts_with = "cluster")]
    pub path: Option<PathBuf>,
    /// The namespace of objects in files that name none, as of `kubectl apply`
    #[arg(short, long, value_name = "NAMESPACE", default_value = "default", conflicts_with = "cluster")]
    pub namespace: String,
    /// Analyze what a cluster has, as its control plane reads it
    #[arg(long)]
    pub cluster: bool,
    /// The cluster's kubeconfig [default: the one of this pod, else KUBECONFIG or ~/.kube/config]
    #[arg(long, value_name = "FILE", requires = "cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the mesh's own configuration
    #[arg(long, alias = "istioNamespace", value_name = "NAMESPACE", default_value = "istio-system")]
    pub root_namespace: String,
    /// How long reading a cluster may take
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub timeout: Duration,
    /// From which severity on problems make the exit code 1
    #[arg(long, value_name = "SEVERITY", default_value = "error", ignore_case = true)]
    pub failure_threshold: Level,
    /// From which severity on problems are printed
    #[arg(long, value_name = "SEVERITY", default_value = "info", ignore_case = true)]
    pub output_threshold: Level,
    /// Do not tell problems with this code of Istio's analyzers about objects like these, as in "IST0118=Service *.shop"; may be given
    /// several times. The annotation `galley.istio.io/analyze-suppress: CODE,CODE` on an object does the same
    #[arg(short = 'S', long, value_name = "CODE=OBJECT")]
    pub suppress: Vec<Suppression>,
    /// How to print the problems
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: Format,
    /// The mesh's DNS domain
    #[arg(long, value_name = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
}

/// A severity, as it is written on a command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Level {
    /// Whatever there is to say
    Info,
    /// What probably has not the effect that was meant, and errors
    Warning,
    /// What cannot be used
    Error,
}

impl Level {
    /// The severity itself.
    pub fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Error => Severity::Error,
        }
    }
}
