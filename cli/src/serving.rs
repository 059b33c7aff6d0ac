//! What `up` and `control-plane` have in common: a control plane with its debug server, and an end in good order.
//!
//! In: settings and addresses. Out: [`Serving`]. The log is set up already.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use mesh_runtime::{
    admin::{Admin, Gate},
    drain::Drain,
    metrics::{Exposition, Metrics},
    ready::Readiness,
    signals::{self, Shutdown},
};
use pilot::{Config, Pilot};

use crate::program_text;

/// A control plane that serves.
pub struct Serving {
    /// The control plane.
    pub pilot: Pilot,
    /// Hears of the end.
    pub drain: Drain,
    /// Where metrics and debug endpoints are, if anywhere.
    pub admin: Option<SocketAddr>,
    readiness: Readiness,
    exposition: Exposition,
    shutdown: Shutdown,
}

/// What others add to the process before it serves.
#[derive(Default)]
pub struct Parts {
    /// What must be there before it is ready.
    pub readiness: Readiness,
    /// What is counted.
    pub metrics: Metrics,
    /// Routes for whoever can reach the debug server.
    pub open: Router,
    /// Routes for this machine, and for those whom `gate` lets through.
    pub debug: Router,
    /// Who on other machines may use debug routes; nobody without it.
    pub gate: Option<Arc<dyn Gate>>,
}

/// Starts a control plane, and the debug server at `monitoring`.
pub async fn start(config: Config, monitoring: Option<SocketAddr>, parts: Parts) -> Result<Serving> {
    let Parts { readiness, mut metrics, open, debug, gate } = parts;
    let (shutdown, drain) = signals::shutdown().context("can't listen for signals")?;
    let pilot = pilot::start(config, &readiness, &drain).await?;
    tokio::spawn(give_back_text(readiness.ready()));
    metrics.registry().register_collector(Box::new(pilot.metrics()));
    metrics.build_info("meltemi_build", vec![("version", env!("CARGO_PKG_VERSION").to_owned())]);
    let mut serving =
        Serving { pilot, drain, admin: None, readiness, exposition: metrics.finish(), shutdown };
    if let Some(address) = monitoring {
        let debug = debug.merge(serving.pilot.debug_routes());
        serving.admin = Some(serving.listen(address, open, debug, gate).await?);
    }
    Ok(serving)
}

/// The start is over when all is `ready`: text that only it needed need not stay.
async fn give_back_text(ready: impl Future<Output = ()>) {
    ready.await;
    if let Ok(Err(error)) = tokio::task::spawn_blocking(program_text::give_back).await {
        tracing::debug!(%error, "the program's text stays in memory");
    }
}

impl Serving {
    /// Serves `/ready`, `/healthz` and `/metrics` and `open` at `address` to whoever can reach it, and `debug` to this machine and whom `gate` lets
    /// through.
    pub async fn listen(
        &self,
        address: SocketAddr,
        open: Router,
        debug: Router,
        gate: Option<Arc<dyn Gate>>,
    ) -> Result<SocketAddr> {
        let admin = Admin::new(self.readiness.clone(), self.exposition.clone()).gate(gate);
        let bound =
            admin.draining_with(&self.drain).routes(open).loopback_routes(debug).bind(address).await?;
        let address = bound.address();
        tokio::spawn(bound.serve());
        Ok(address)
    }

    /// Resolves when the process is asked to end.
    pub async fn asked_to_end(&mut self) {
        let signal = self.shutdown.signal().await;
        tracing::info!(%signal, "shutting down");
    }

    /// Ends everything that listens to the drain.
    pub async fn end(self, deadline: Duration) -> Result<()> {
        Ok(self.shutdown.drain(deadline).await?)
    }
}
