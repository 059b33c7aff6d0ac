//! Where the application's metrics are.
//!
//! In: what the injector took from the pod's `prometheus.io/*` annotations (`ISTIO_PROMETHEUS_ANNOTATIONS`). Out: address and path.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::uri::PathAndQuery;
use serde::Deserialize;

/// The application's metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Application {
    pub(super) address: SocketAddr,
    pub(super) path: PathAndQuery,
}

/// They can't be found.
#[derive(Debug, thiserror::Error)]
#[error("the application's metrics (ISTIO_PROMETHEUS_ANNOTATIONS): {0}")]
pub struct ApplicationError(String);

#[derive(Deserialize)]
struct Written {
    #[serde(default)]
    scrape: String,
    #[serde(default)]
    path: String,
    #[serde(default)]
    port: String,
}

impl Application {
    /// Reads what the injector has written: `{"scrape": "true", "path": "/metrics", "port": "8080"}`. `None`: there are none.
    ///
    /// # Errors
    /// When it is not what an injector writes, or leads back here.
    pub fn parse(json: &str, status_port: u16) -> Result<Option<Self>, ApplicationError> {
        let Written { scrape, path, port } =
            serde_json::from_str(json).map_err(|error| ApplicationError(error.to_string()))?;
        if scrape == "false" {
            return Ok(None);
        }
        let port = if port.is_empty() { "80" } else { &port };
        let port: u16 = port.parse().map_err(|_| ApplicationError(format!("{port:?} is no port")))?;
        if port == status_port {
            let hint = "set the annotation prometheus.io/port to a port of the application";
            return Err(ApplicationError(format!("port {port} is the agent's own; {hint}")));
        }
        let path = if path.is_empty() { "/metrics" } else { &path };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let path = format!("{slash}{path}");
        let path = path.parse().map_err(|error| ApplicationError(format!("{path:?} is no path: {error}")))?;
        Ok(Some(Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), path }))
    }

    /// The same, of an application that listens elsewhere than on the loopback address.
    #[must_use]
    pub fn at(mut self, address: IpAddr) -> Self {
        self.address.set_ip(address);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_injector_writes() {
        let of = |json: &str| {
            Application::parse(json, 15020).unwrap().map(|found| format!("{}{}", found.address, found.path))
        };
        assert_eq!(
            of(r#"{"scrape": "true", "path": "/m?x=1", "port": "8080"}"#).unwrap(),
            "127.0.0.1:8080/m?x=1"
        );
        assert_eq!(of("{}").unwrap(), "127.0.0.1:80/metrics");
        assert_eq!(of(r#"{"scrape": "", "path": "m", "port": ""}"#).unwrap(), "127.0.0.1:80/m");
        assert_eq!(of(r#"{"scrape": "false", "port": "nonsense"}"#), None);
    }

    #[test]
    fn what_leads_nowhere() {
        for (json, says) in
            [("x", "expected"), (r#"{"port": "http"}"#, "no port"), (r#"{"port": "15020"}"#, "own")]
        {
            let error = Application::parse(json, 15020).unwrap_err().to_string();
            assert!(error.contains(says), "{json}: {error}");
        }
    }
}
