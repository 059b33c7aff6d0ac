//! The identities of a mesh without a cluster: an authority in this process, and tokens that it takes.
//!
//! In: an address, and what the mesh's files say of identity. Out: a port with TLS, and what agents need to get a certificate there. The root is made anew each time: nothing that an
//! earlier run left behind is believed.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use axum::Router;
use citadel::{Config, LocalTokens, Place, authority::State};
use meltemi_local::envoy::{Agents, GRACE};
use mesh_pki::Revocations;
use mesh_runtime::{drain, ready::InitHandle, transport::TransportConfig};
use tokio::sync::watch;

use crate::{
    secure::{Pending, SecurePort, ServeSecurely, Started, said_by},
    serving::Serving,
};

/// What Istio's tokens are for.
const AUDIENCE: &str = "istio-ca";
/// Longer than anybody lets a mesh run on a laptop; and certificates are renewed without tokens.
const TOKEN_LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
const TRUST_DOMAIN: &str = "cluster.local";
/// The mesh's roots and revocation lists, in the run directory.
const ROOTS: &str = "root-cert.pem";
const REVOCATIONS: &str = citadel::REVOCATIONS_KEY;

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

    /// Starts the authority and serves it, and the configuration of `serving`. Roots and lists are written into `directory` whenever they
    /// change, as a kubelet would.
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
        let files = [directory.join(ROOTS), directory.join(REVOCATIONS)];
        port.serve(ServeSecurely {
            config: Pending { config, settings: Some(said_by(&serving.pilot)) },
            metrics,
            pilot: Some(serving.pilot.clone()),
            transport: TransportConfig::default(),
            started,
            ready,
            drain,
        });
        let citadel = authority.wait_for(Option::is_some).await.map(|citadel| citadel.clone());
        let citadel = citadel.ok().flatten().context("there is no certificate authority")?;
        let (mut states, mut mesh) = (citadel.authority().watch(), citadel.mesh());
        write(&states.borrow_and_update(), &files)?;
        let [roots, revocations] = files.clone();
        let (renew, renewals) = watch::channel(());
        tokio::spawn(async move {
            let mut trust_domain = mesh.borrow_and_update().trust_domain.clone();
            let mut bundle = states.borrow_and_update().bundle().digest();
            loop {
                tokio::select! {
                    changed = states.changed() => if changed.is_err() { return },
                    changed = mesh.changed() => if changed.is_err() { return },
                }
                let state = states.borrow_and_update().clone();
                if let Err(error) = write(&state, &files) {
                    tracing::error!("{error:#}");
                }
                // Nobody here has to be patient, and half of a certificate's life is longer than a mesh on a laptop.
                let now = (mesh.borrow_and_update().trust_domain.clone(), state.bundle().digest());
                if now != (trust_domain, bundle) {
                    renew.send_replace(());
                }
                (trust_domain, bundle) = now;
            }
        });
        let make = move |namespace: &str, account: &str| {
            tokens.token(namespace, account, TOKEN_LIFETIME).map_err(|error| error.to_string())
        };
        let tokens = Arc::new(make);
        let (lifetime, grace) = (Duration::ZERO, GRACE);
        Ok(Agents { control_plane, roots, revocations, tokens, lifetime, grace, renew: renewals })
    }
}

fn write(state: &State, [roots, revocations]: &[PathBuf; 2]) -> Result<()> {
    let lists = state.revocations().map(Revocations::pem).unwrap_or_default();
    for (path, text) in [(roots, state.bundle().pem()), (revocations, lists)] {
        // Agents read them at any time.
        let beside = path.with_extension("new");
        let written = std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path));
        written.with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}
