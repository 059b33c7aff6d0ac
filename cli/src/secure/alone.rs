//! The authority without the rest of the control plane: `--components citadel`.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result};
use mesh_runtime::{admin::Admin, metrics::Metrics, ready::Readiness, signals, transport::TransportConfig};

use super::{Pending, SecurePort, ServeSecurely, Started};

/// What it needs.
pub struct Alone {
    /// Where it serves.
    pub port: SecurePort,
    /// The authority.
    pub config: Pending,
    /// Connections.
    pub transport: TransportConfig,
    /// Where metrics, health and readiness are.
    pub admin: Vec<SocketAddr>,
    /// How long a shutdown may take.
    pub shutdown: Duration,
}

impl Alone {
    /// Runs until the process is asked to end.
    pub async fn run(self) -> Result<()> {
        let Self { port, config, transport, admin, shutdown: deadline } = self;
        let (mut shutdown, drain) = signals::shutdown().context("can't listen for signals")?;
        let (readiness, mut metrics, started) = (Readiness::new(), Metrics::new(), Started::default());
        let ready = readiness.handle("the certificate authority");
        let counted = citadel::Metrics::register(metrics.registry());
        metrics.build_info("meltemi_build", vec![("version", env!("CARGO_PKG_VERSION").to_owned())]);
        let exposition = metrics.finish();
        for address in admin {
            let server = Admin::new(readiness.clone(), exposition.clone());
            let server = server.draining_with(&drain).routes(started.routes());
            tokio::spawn(server.bind(address).await?.serve());
        }
        tracing::info!(secure = %port.address(), "serving certificates");
        port.serve(ServeSecurely { config, metrics: counted, pilot: None, transport, started, ready, drain });
        let signal = shutdown.signal().await;
        tracing::info!(%signal, "shutting down");
        Ok(shutdown.drain(deadline).await?)
    }
}
