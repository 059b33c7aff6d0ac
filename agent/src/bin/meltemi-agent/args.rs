//! Flags, in the spelling of Istio's agent, which injected pods use.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use meltemi_agent::envoy::Role;
use mesh_runtime::logging;

/// Runs beside a workload: its certificate, its configuration and its Envoy.
#[derive(Debug, Parser)]
#[command(name = "meltemi-agent", version, about)]
pub struct Cli {
    #[command(flatten)]
    pub logging: LoggingArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Logging, of every command.
#[derive(Debug, Args)]
pub struct LoggingArgs {
    /// What to log, as in `info`, `default:info` or `default:info,xds:debug`
    #[arg(
        long = "log_output_level",
        alias = "log-output-level",
        global = true,
        value_name = "LEVELS",
        default_value = "info"
    )]
    log_output_level: String,
    /// Log JSON
    #[arg(long = "log_as_json", alias = "log-as-json", global = true)]
    log_as_json: bool,
}

impl LoggingArgs {
    pub fn format(&self) -> logging::Format {
        if self.log_as_json { logging::Format::Json } else { logging::Format::Text }
    }

    /// Istio's scopes are not ours: the most that is asked for any of them is logged of everything here.
    pub fn filter(&self) -> String {
        const LEVELS: [(&str, &str); 6] = [
            ("none", "off"),
            ("fatal", "error"),
            ("error", "error"),
            ("warn", "warn"),
            ("info", "info"),
            ("debug", "debug"),
        ];
        // Ours, such as `info,meltemi_agent::relay=debug`; what makes no sense is told by the log itself.
        if self.log_output_level.contains('=') {
            return self.log_output_level.clone();
        }
        let level = |text: &str| LEVELS.iter().position(|(istio, _)| *istio == text);
        let parts = self
            .log_output_level
            .split(',')
            .map(|part| part.rsplit_once(':').map_or(part, |(_, level)| level));
        let most = parts.map(str::trim).filter_map(level).max();
        match most {
            // Libraries' debugging is of no use to who debugs a proxy.
            Some(5) => "info,meltemi_agent=debug".to_owned(),
            Some(index) => LEVELS[index].1.to_owned(),
            None => self.log_output_level.clone(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run Envoy with all that it needs, until one of the two is to end
    Proxy(ProxyArgs),
    /// Wait until the proxy is ready
    Wait(WaitArgs),
    /// Ask the agent of this pod for something
    Request(RequestArgs),
}

/// `meltemi-agent proxy`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// What the proxy stands for: sidecar or router
    #[arg(value_name = "ROLE", default_value = "sidecar")]
    pub role: Role,
    /// The DNS domain of the pod's namespace [default: <namespace>.svc.cluster.local]
    #[arg(long, value_name = "DOMAIN")]
    pub domain: Option<String>,
    /// What Envoy logs
    #[arg(
        long = "proxyLogLevel",
        alias = "proxy-log-level",
        value_name = "LEVEL",
        default_value = "warning"
    )]
    pub log_level: String,
    /// The same by part of Envoy
    #[arg(
        long = "proxyComponentLogLevel",
        alias = "proxy-component-log-level",
        value_name = "LEVELS",
        default_value = ""
    )]
    pub component_log_level: String,
    /// Envoy's worker threads [default: the mesh's setting, else the pod's limit, else one for each processor]
    #[arg(long, value_name = "NUMBER")]
    pub concurrency: Option<u32>,
    /// Where health, status, metrics and Envoy's admin interface listen [default: all addresses, the last 127.0.0.1]
    #[arg(long, value_name = "ADDRESS")]
    pub bind_address: Option<IpAddr>,
    /// The directory that the pod's volumes are mounted below
    #[arg(long, value_name = "DIRECTORY", default_value = "/")]
    pub root: PathBuf,
    /// The Envoy to run [default: the mesh's setting, else usr/local/bin/envoy]
    #[arg(long, env = "MELTEMI_ENVOY", value_name = "FILE")]
    pub envoy: Option<PathBuf>,
}

/// `meltemi-agent wait`.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// How long to wait
    #[arg(long = "timeoutSeconds", alias = "timeout-seconds", value_name = "SECONDS", default_value_t = 60)]
    pub timeout_seconds: u64,
    /// How long one request may take
    #[arg(
        long = "requestTimeoutMillis",
        alias = "request-timeout-millis",
        value_name = "MILLISECONDS",
        default_value_t = 500
    )]
    pub request_timeout_millis: u64,
    /// How long to wait between requests
    #[arg(
        long = "periodMillis",
        alias = "period-millis",
        value_name = "MILLISECONDS",
        default_value_t = 500
    )]
    pub period_millis: u64,
    /// What to ask
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:15021/healthz/ready")]
    pub url: http::Uri,
}

/// `meltemi-agent request`.
#[derive(Debug, Args)]
pub struct RequestArgs {
    /// GET or POST
    #[arg(value_name = "METHOD")]
    pub method: String,
    /// The path, such as `drain`
    #[arg(value_name = "PATH")]
    pub path: String,
    /// The agent's port; Envoy's admin interface is 15000
    #[arg(long = "debug-port", value_name = "PORT", default_value_t = 15000)]
    pub debug_port: u16,
    /// The agent's address, where `proxy` was given one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub address: IpAddr,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn what_istios_injector_writes_is_taken() {
        Cli::command().debug_assert();
        let line = "meltemi-agent proxy sidecar --domain shop.svc.cluster.local --proxyLogLevel=warning \
                    --proxyComponentLogLevel=misc:error --log_output_level=default:info --concurrency 2";
        let Cli { logging, command } = Cli::try_parse_from(line.split_whitespace()).unwrap();
        assert_eq!(logging.filter(), "info");
        let Command::Proxy(args) = command else { panic!("{command:?}") };
        assert_eq!((args.role, args.concurrency), (Role::Sidecar, Some(2)));
        let line = "meltemi-agent request --debug-port=15020 POST drain";
        Cli::try_parse_from(line.split_whitespace()).unwrap();
        Cli::try_parse_from(["meltemi-agent", "wait", "--timeoutSeconds=5"]).unwrap();
        Cli::try_parse_from(["meltemi-agent", "proxy", "waypoint"]).unwrap_err();
    }

    #[test]
    fn levels_are_istios_or_ours() {
        for (written, meant) in [
            ("default:info", "info"),
            ("default:warn,xds:debug", "info,meltemi_agent=debug"),
            ("none", "off"),
            ("meltemi_agent::relay=trace", "meltemi_agent::relay=trace"),
            ("info,meltemi_agent::relay=debug", "info,meltemi_agent::relay=debug"),
        ] {
            let logging = LoggingArgs { log_output_level: written.to_owned(), log_as_json: false };
            assert_eq!(logging.filter(), meant);
        }
    }
}
