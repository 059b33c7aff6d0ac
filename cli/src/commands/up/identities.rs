//! The identities of a mesh without a cluster: an authority in this process, and tokens that it takes.
//!
//! In: an address. Out: a port with TLS, and what agents need to get a certificate there. The root is made anew each time: nothing that an
//! earlier run left behind is believed.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use axum::Router;
use citadel::{Citadel, Config, LocalTokens, Place};
use meltemi_local::envoy::{Agents, GRACE};
use mesh_runtime::{drain, ready::InitHandle, transport::TransportConfig};

use crate::{
    secure::{Pending, SecurePort, ServeSecurely, Started},
    serving::Serving,
};

/// What Istio's tokens are for.
const AUDIENCE: &str = "istio-ca";
/// Longer than anybody lets a mesh run on a laptop; and certificates are renewed without tokens.
const TOKEN_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
const TRUST_DOMAIN: &str = "cluster.local";
/// The mesh's roots, in the run directory.
const ROOTS: &str = "root-cert.pem";

/// A port that waits for its authority.
pub struct Identities {
    port: SecurePort,
    tokens: LocalTokens,
    started: Started,
}

impl Identities {
    pub async fn bind(address: SocketAddr) -> Result<Self> {
        let port = SecurePort::bind(address).await?;
        Ok(Self { port, tokens: LocalTokens::new(AUDIENCE)?, started: Started::default() })
    }

    /// How long everything still lives.
    pub fn routes(&self) -> Router {
        self.started.routes()
    }

    /// Starts the authority and serves it, and the configuration of `serving`. The roots are written into `directory`.
    pub async fn serve(
        self,
        serving: &Serving,
        metrics: citadel::Metrics,
        ready: InitHandle,
        directory: &Path,
    ) -> Result<Agents> {
        let Self { port, tokens, started } = self;
        let control_plane = port.address();
        let config = Config { oidc: vec![tokens.rule()], ..Config::new(Place::Memory, TRUST_DOMAIN) };
        let mut authority = started.subscribe();
        // Never triggered: agents that end would look for it, and complain.
        let (_, drain) = drain::channel();
        let roots = directory.join(ROOTS);
        port.serve(ServeSecurely {
            config: Pending { config, settings: None },
            metrics,
            pilot: Some(serving.pilot.clone()),
            transport: TransportConfig::default(),
            started,
            ready,
            drain,
        });
        let citadel =
            authority.wait_for(Option::is_some).await.context("there is no certificate authority")?;
        write_roots(citadel.as_ref(), &roots)?;
        drop(citadel);
        let make = move |namespace: &str, account: &str| {
            tokens.token(namespace, account, TOKEN_LIFETIME).map_err(|error| error.to_string())
        };
        Ok(Agents { control_plane, roots, tokens: Arc::new(make), lifetime: Duration::ZERO, grace: GRACE })
    }
}

fn write_roots(citadel: Option<&Citadel>, path: &Path) -> Result<()> {
    let citadel = citadel.context("there is no certificate authority")?;
    std::fs::write(path, citadel.bundle().pem()).with_context(|| format!("can't write {}", path.display()))
}
