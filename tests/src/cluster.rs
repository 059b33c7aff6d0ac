//! A control plane that watches a real Kubernetes API server, and proxies that ask it.
//!
//! In: an API server. Out: the control plane, and what proxies on real streams have been told and have acknowledged.
//! The proxies are models of Envoy: what requests do is the business of [`crate::traffic`].

mod client;

pub use client::Client;

use crate::{Asker, flow};
use anyhow::{Context, Result};
use mesh_runtime::{
    drain::{self, Trigger},
    ready::Readiness,
    transport::{Security, TransportConfig, serve_connections},
};
use mesh_testkit::ApiServer;
use pilot::{Config, Pilot, SourceConfig};
use pilot_xds::testing::{Envoy, TestProxy, proxy::Refuse};
use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Longer than anything takes on a machine that compiles meanwhile.
const WITHIN: Duration = Duration::from_secs(60);

/// The CRDs, as they are installed by users.
pub fn crds() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/crds")
}

/// Installs the CRDs and waits until the API server serves them.
///
/// # Errors
/// When it refuses one.
pub async fn install_crds(server: &ApiServer) -> Result<()> {
    install_crds_from(server, &crds()).await
}

/// Installs the CRDs of a file or a directory and waits until the API server serves them.
///
/// # Errors
/// When it refuses one.
pub async fn install_crds_from(server: &ApiServer, path: &Path) -> Result<()> {
    let path = path.to_str().context("a path of UTF-8")?;
    server.kubectl(&["apply", "--server-side", "-f", path]).await?;
    server.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", "-f", path]).await?;
    Ok(())
}

/// A control plane in this process.
pub struct ControlPlane {
    pilot: Pilot,
    readiness: Readiness,
    // Dropped, it would end the streams.
    trigger: Trigger,
}

impl ControlPlane {
    /// Starts one for `server`.
    ///
    /// # Errors
    /// When it can't be started; what is not there yet is waited for in the background.
    pub async fn start(server: &ApiServer) -> Result<Self> {
        Self::start_with(server, |config| config).await
    }

    /// Starts one for `server` with other settings than usual.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_with(server: &ApiServer, adjust: impl FnOnce(Config) -> Config) -> Result<Self> {
        let kubeconfig = Some(server.kubeconfig_path().to_owned());
        let config = adjust(Config {
            grpc_address: SocketAddr::from(([127, 0, 0, 1], 0)),
            ..Config::new(SourceConfig::Cluster { kubeconfig })
        });
        let (trigger, drain) = drain::channel();
        let readiness = Readiness::new();
        let pilot = pilot::start(config, &readiness, &drain).await?;
        Ok(Self { pilot, readiness, trigger })
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// When it takes too long.
    pub async fn stop(self) -> Result<()> {
        Ok(self.trigger.drain(WITHIN).await?)
    }

    /// The control plane.
    pub fn pilot(&self) -> &Pilot {
        &self.pilot
    }

    /// Whether every first list is in.
    pub fn is_ready(&self) -> bool {
        self.readiness.is_ready()
    }

    /// Waits until every first list is in.
    ///
    /// # Errors
    /// When they do not come.
    pub async fn ready(&self) -> Result<()> {
        let ready = tokio::time::timeout(WITHIN, self.readiness.ready()).await;
        ready.with_context(|| format!("not ready: {:?}", self.readiness.pending()))
    }

    /// Connects a proxy.
    ///
    /// # Errors
    /// When the control plane does not take it.
    pub async fn connect(&self, asker: &Asker) -> Result<Client> {
        self.connect_refusing(asker, Arc::new(|_, _| None)).await
    }

    /// Connects a proxy that does not take everything that is valid.
    ///
    /// # Errors
    /// As [`ControlPlane::connect`].
    pub async fn connect_refusing(&self, asker: &Asker, refuse: Refuse) -> Result<Client> {
        let envoy = Envoy::new(asker.node(), Arc::default());
        let refuse = flow::or_invalid(refuse);
        let proxy = TestProxy::connect_refusing(self.pilot.grpc_address(), envoy, refuse).await?;
        Ok(Client { proxy, name: asker.name(), pilot: self.pilot.clone(), _port: None })
    }

    /// Connects a proxy whose stream is authenticated: by a port that takes everybody for `account` of the proxy's namespace.
    ///
    /// # Errors
    /// As [`ControlPlane::connect`].
    pub async fn connect_as(&self, asker: &Asker, account: &str) -> Result<Client> {
        let admission = pilot::admission(&asker.namespace, account);
        let admitted = move |mut request: http::Request<axum::body::Body>| {
            request.extensions_mut().insert(admission.clone());
            request.map(tonic::body::Body::new)
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = tower::ServiceExt::map_request(self.pilot.ads(), admitted);
        let routes = tonic::service::Routes::from(axum::Router::new().fallback_service(service));
        let end = CancellationToken::new();
        let transport = TransportConfig::default();
        tokio::spawn(serve_connections(transport, Security::Plaintext, routes, listener, end.clone()));
        let envoy = Envoy::new(asker.node(), Arc::default());
        let proxy = TestProxy::connect_refusing(address, envoy, flow::valid()).await?;
        let port = Some(end.drop_guard());
        Ok(Client { proxy, name: asker.name(), pilot: self.pilot.clone(), _port: port })
    }

    /// Waits until object `name` of `namespace` has problems, and tells them.
    ///
    /// # Errors
    /// When it has none in the end.
    pub async fn problems(&self, namespace: &str, name: &str) -> Result<Vec<String>> {
        let problems = |report: &pilot_ingest::Report| -> Vec<String> {
            let of_it = report.entries.iter().filter(|entry| {
                let named = entry.object.as_ref().map(|object| &object.name);
                named.is_some_and(|found| *found.name == *name && *found.namespace == *namespace)
            });
            of_it.flat_map(|entry| &entry.problems).map(ToString::to_string).collect()
        };
        let mut reports = self.pilot.reports();
        let found = tokio::time::timeout(WITHIN, reports.wait_for(|report| !problems(report).is_empty()));
        Ok(problems(&*found.await.with_context(|| format!("{namespace}/{name} has no problems"))??))
    }
}
