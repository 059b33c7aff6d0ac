//! Every flag and every environment variable of every command, and nothing else.
//!
//! Flags that istiod has, too, take its spelling (`--grpcAddr`) as well as ours (`--grpc-addr`).

pub mod address;
mod analyze;
mod ca;
mod configuration;
pub mod connection_age;
pub mod identity;
pub mod object;
mod proxies;
mod serve;
pub mod signer;

use clap::{Args, Parser, Subcommand};
use mesh_runtime::logging;

use crate::output::Format;
pub use analyze::AnalyzeArgs;
pub use ca::{CaCommand, CaRotateArgs, CaStatusArgs};
pub use configuration::{ExplainCommand, ExplainRouteArgs, WaitArgs};
pub use proxies::{CallArgs, ConfigPart, ProxyCommand, ProxyConfigArgs, ProxyListArgs};
pub use serve::{ControlPlaneArgs, UpArgs};

/// Where a control plane's debug endpoints are unless told otherwise.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:15014";
const XDS_ADDRESS: &str = "127.0.0.1:15010";
const SECURE_ADDRESS: &str = "127.0.0.1:15012";
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
    ControlPlane(Box<ControlPlaneArgs>),
    /// Send requests through a workload's sidecar and show who answered
    Call(CallArgs),
    /// Say what is wrong with a file or a directory of YAML, or with a cluster
    Analyze(AnalyzeArgs),
    /// Wait until an object has got to the proxies that it concerns
    Wait(WaitArgs),
    /// Say what becomes of a request, and why
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// Look at the certificate authority, and change its root
    #[command(subcommand)]
    Ca(CaCommand),
    /// Look at connected proxies
    #[command(subcommand)]
    Proxy(ProxyCommand),
    /// Print a completion script for a shell
    Completion(CompletionArgs),
    /// Print the version
    Version(VersionArgs),
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use std::time::Duration;

    fn control_plane(arguments: &[&str]) -> ControlPlaneArgs {
        let arguments = ["meltemi", "control-plane"].iter().chain(arguments);
        match Cli::try_parse_from(arguments).unwrap().command {
            Command::ControlPlane(args) => *args,
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
        for address in [args.grpc_addr, args.secure_grpc_addr, args.http_addr, args.monitoring_addr] {
            assert!(address.socket().is_some_and(|address| address.ip().is_loopback()), "{address}");
        }
        assert_eq!(args.keepalive_max_server_connection_age.0, None);
    }
}
