//! The certificate authority of a mesh of tests, in this process.
//!
//! In: a control plane. Out: a port with TLS that serves certificates and that control plane's configuration, and what agents need to
//! get both. Certificates are renewed every two seconds, and a change of the root takes half a minute.

use anyhow::Result;
use citadel::{Caller, Citadel, Config, LocalTokens, Metrics, Place, RootConfig};
use meltemi_local::envoy::Agents;
use mesh_runtime::{
    drain::Drain,
    transport::{Security, TransportConfig, serve_connections},
};
use pilot::Pilot;
use std::{fs, path::Path, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::Layer as _;

/// Certificates live long enough that a busy machine does not let one expire, and are renewed after a tenth of that.
const LIFETIME: Duration = Duration::from_secs(20);
const GRACE: f64 = 0.9;
/// Longer than any test.
const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// An authority, and the port that it is served on.
pub struct Identities {
    citadel: Citadel,
    metrics: Metrics,
    agents: Agents,
    _serving: DropGuard,
}

impl Identities {
    /// Starts it. The roots are written into `directory`.
    ///
    /// # Errors
    /// When there is no port or no authority.
    pub async fn start(pilot: &Pilot, directory: &Path, drain: &Drain) -> Result<Self> {
        let tokens = LocalTokens::new("istio-ca")?;
        let mut config = Config::new(Place::Memory, "cluster.local");
        config.oidc = vec![tokens.rule()];
        config.lifetimes.usual = LIFETIME;
        config.root =
            RootConfig { settle: Duration::from_secs(1), tick: Duration::from_millis(200), ..config.root };
        let metrics = Metrics::unregistered();
        let citadel = citadel::start(config, metrics.clone(), drain).await?;
        let roots = directory.join("roots.pem");
        fs::write(&roots, citadel.bundle().pem())?;

        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let control_plane = listener.local_addr()?;
        let admit = |caller: &Caller, extensions: &mut http::Extensions| {
            let identity = &caller.identity;
            extensions.insert(pilot::admission(identity.namespace(), identity.service_account()));
        };
        let routes = citadel.routes().add_service(citadel.require_caller(admit).layer(pilot.ads()));
        let (security, end) = (Security::Tls(citadel.tls()), CancellationToken::new());
        let transport = TransportConfig::default();
        tokio::spawn(serve_connections(transport, security, routes, listener, end.clone()));

        let make = move |namespace: &str, account: &str| {
            tokens.token(namespace, account, TOKEN_LIFETIME).map_err(|error| error.to_string())
        };
        let (tokens, lifetime) = (Arc::new(make), Duration::ZERO);
        // Nobody is revoked, and nobody asks for certificates out of turn.
        let (revocations, renew) = (directory.join("ca-crl.pem"), watch::channel(()).1);
        let agents = Agents { control_plane, roots, revocations, tokens, lifetime, grace: GRACE, renew };
        Ok(Self { citadel, metrics, agents, _serving: end.drop_guard() })
    }

    /// What agents need to know of it.
    pub fn agents(&self) -> Agents {
        self.agents.clone()
    }

    /// The authority itself.
    pub fn citadel(&self) -> &Citadel {
        &self.citadel
    }

    /// How many certificates it has issued.
    pub fn issued(&self) -> u64 {
        self.metrics.issued.get()
    }
}
