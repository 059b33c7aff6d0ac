//! What a pod tells of its application: probes, metrics, and whether its DNS queries come to the agent.
//!
//! In: environment variables and `/etc/resolv.conf`. Out: [`Extras`].

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use super::{EnvironmentError, Variables};
use crate::{
    dns::{ResolvConf, Zone},
    envoy::{Node, Role},
    extras::{Dns, Extras},
    metrics::Application,
    probes::Probes,
    spiffe,
};

/// Where DNS queries are redirected to.
const DNS_PORT: u16 = 15053;

/// The pod's resolvers.
const RESOLV_CONF: &str = "/etc/resolv.conf";

impl Variables {
    pub(super) fn extras(&self, node: &Node, status_port: u16) -> Result<Extras, EnvironmentError> {
        let probes = self.parsed("ISTIO_KUBE_APP_PROBERS", |json| {
            Probes::parse(json, node.address, status_port).map_err(|error| error.to_string())
        })?;
        // A gateway has no application beside it.
        let application = match node.role {
            Role::Sidecar => self.parsed("ISTIO_PROMETHEUS_ANNOTATIONS", |json| {
                Application::parse(json, status_port).map_err(|error| error.to_string())
            })?,
            Role::Router => None,
        };
        let dns = match self.flag("ISTIO_META_DNS_CAPTURE")? {
            true => Some(self.dns(node, Path::new(RESOLV_CONF))?),
            false => None,
        };
        let workload_api = self.parsed(spiffe::ENDPOINT_VARIABLE, |endpoint| {
            spiffe::parse_endpoint(endpoint).map_err(|error| error.to_string())
        })?;
        Ok(Extras { probes, application: application.flatten(), dns, readiness: None, workload_api })
    }

    fn dns(&self, node: &Node, file: &Path) -> Result<Dns, EnvironmentError> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| EnvironmentError::new(file.display().to_string(), error.to_string()))?;
        let resolv_conf = ResolvConf::parse(&text);
        let named = self.parsed("DNS_PROXY_ADDR", |text| match text.strip_prefix("localhost:") {
            Some(port) => port.parse().map(Listen::Here).map_err(|_| format!("`{text}` has no port")),
            None => text.parse().map(Listen::At).map_err(|_| format!("`{text}` is no address with a port")),
        })?;
        let listen = match named.unwrap_or(Listen::Here(DNS_PORT)) {
            Listen::At(address) => vec![address],
            Listen::Here(port) => {
                // Queries come in the version of IP that the resolvers have.
                let has_v6 = resolv_conf.servers.iter().any(SocketAddr::is_ipv6);
                let v6: Option<IpAddr> = has_v6.then_some(Ipv6Addr::LOCALHOST.into());
                let all = std::iter::once(Ipv4Addr::LOCALHOST.into()).chain(v6);
                all.map(|address| SocketAddr::new(address, port)).collect()
            }
        };
        let zone = Zone::new(&node.namespace, &node.domain, resolv_conf.search.first().map(String::as_str));
        Ok(Dns { listen, zone, resolv_conf })
    }
}

enum Listen {
    /// On the loopback addresses.
    Here(u16),
    At(SocketAddr),
}
