//! Flags of what has to do with running proxies: `call` and `proxy`.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, Subcommand, ValueEnum};
use http::{HeaderName, HeaderValue, Method};
use meltemi_local::{call::Target, duration::parse_duration};

use super::{ADMIN_ADDRESS, address::EndpointAddress};
use crate::output::{ConfigFormat, Format};

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

/// `NAME:VALUE`.
pub fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("write it as in `x-user: ada`")?;
    let name = name.trim().parse().map_err(|_| format!("`{name}` is no header name"))?;
    let value = value.trim().parse().map_err(|_| format!("`{value}` is no header value"))?;
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert!(parse_header("x-user: ada").is_ok() && parse_header("x-user:").is_ok());
        assert!(parse_header("x-user").is_err() && parse_header("x user: ada").is_err());
    }
}
